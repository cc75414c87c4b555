from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dnn2fpga.errors import Refusal
from dnn2fpga.model.keras import from_keras
from dnn2fpga.model.passes import simplify

from .rows import ROWS

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
pytest.importorskip("tensorflow", reason="reading Keras models needs TensorFlow: pip install 'dnn2fpga[keras]'")
keras = pytest.importorskip("keras", reason="reading Keras models needs Keras: pip install 'dnn2fpga[keras]'")
layers = keras.layers

IMAGE = (9, 7, 3)


@pytest.fixture(autouse=True)
def fresh_names():
    """Keras numbers its default layer names over the whole process."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(1)


def sequential(shape, *parts, name="net"):
    return keras.Sequential([keras.Input(shape), *parts], name=name)


def batch_norm(**settings):
    """With statistics as training leaves them; those of a new layer do nothing."""
    return layers.BatchNormalization(
        beta_initializer="random_normal",
        gamma_initializer="random_uniform",
        moving_mean_initializer="random_normal",
        moving_variance_initializer=keras.initializers.RandomUniform(0.5, 2.0),
        **settings,
    )


def kinds_of(graph):
    return [node.spec.kind for node in graph.nodes]


def assert_same(graph, model):
    x = np.random.default_rng(0).normal(size=(5, *graph.input_shape)).astype(np.float32)
    expected = model.predict(x, verbose=0)
    assert graph.output_shape == expected.shape[1:]
    np.testing.assert_allclose(graph.run(x), expected, atol=1e-4)
    np.testing.assert_allclose(simplify(graph).run(x), expected, atol=1e-4)


CHAINS = {
    "conv valid": (IMAGE, lambda: [layers.Conv2D(4, 3)]),
    "conv same": (IMAGE, lambda: [layers.Conv2D(4, (3, 2), padding="same")]),
    "conv strides": (IMAGE, lambda: [layers.Conv2D(4, 3, strides=2)]),
    "conv strides same": (IMAGE, lambda: [layers.Conv2D(4, (2, 4), strides=(3, 2), padding="same")]),
    "conv strides beyond kernel same": (IMAGE, lambda: [layers.Conv2D(2, 1, strides=2, padding="same")]),
    "conv dilated": (IMAGE, lambda: [layers.Conv2D(4, (3, 2), dilation_rate=(2, 3))]),
    "conv dilated same": (IMAGE, lambda: [layers.Conv2D(4, (2, 3), dilation_rate=(3, 2), padding="same")]),
    "conv without bias": (IMAGE, lambda: [layers.Conv2D(4, 3, use_bias=False)]),
    "conv relu": (IMAGE, lambda: [layers.Conv2D(4, 3, activation="relu", bias_initializer="random_normal")]),
    "pool": (IMAGE, lambda: [layers.MaxPooling2D(2)]),
    "pool strides": (IMAGE, lambda: [layers.MaxPooling2D((3, 2), strides=(1, 2))]),
    "pool same": (IMAGE, lambda: [layers.MaxPooling2D(2, padding="same")]),
    "flatten dense": (IMAGE, lambda: [layers.Flatten(), layers.Dense(5)]),
    "dense without bias": ((6,), lambda: [layers.Dense(5, use_bias=False)]),
    "tanh argument": ((6,), lambda: [layers.Dense(5, activation="tanh")]),
    "sigmoid argument": ((6,), lambda: [layers.Dense(5, activation="sigmoid")]),
    "softmax argument": ((6,), lambda: [layers.Dense(5, activation="softmax")]),
    "linear argument": ((6,), lambda: [layers.Dense(5, activation="linear")]),
    "function argument": ((6,), lambda: [layers.Dense(5, activation=keras.activations.relu)]),
    "activation layers": (
        (6,),
        lambda: [layers.Dense(5), layers.Activation("tanh"), layers.Activation("linear"), layers.ReLU()],
    ),
    "softmax layer": ((6,), lambda: [layers.Dense(5), layers.Softmax()]),
    "batch norm": (IMAGE, lambda: [layers.Conv2D(4, 3, use_bias=False), batch_norm(), layers.ReLU()]),
    "batch norm without scale": (IMAGE, lambda: [layers.Conv2D(4, 3), batch_norm(scale=False)]),
    "batch norm without center": (IMAGE, lambda: [layers.Conv2D(4, 3), batch_norm(center=False)]),
    "batch norm bare": ((6,), lambda: [layers.Dense(4), batch_norm(center=False, scale=False)]),
    "batch norm with axis": (IMAGE, lambda: [layers.Conv2D(4, 3), batch_norm(axis=3)]),
    "training only": (
        IMAGE,
        lambda: [layers.GaussianNoise(0.1), layers.Conv2D(4, 3), layers.SpatialDropout2D(0.5),
                 layers.Flatten(), layers.Dropout(0.5), layers.Dense(3)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CHAINS)
def test_same_as_keras(case):
    shape, parts = CHAINS[case]
    model = sequential(shape, *parts())
    assert_same(from_keras(model, ROWS), model)


def network(name="net"):
    return sequential(
        (12, 12, 1),
        layers.Conv2D(3, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dropout(0.2),
        layers.Dense(4, activation="softmax"),
        name=name,
    )


def test_activation_arguments_become_nodes():
    graph = from_keras(network(), ROWS)
    assert (graph.name, graph.input_shape) == ("net", (12, 12, 1))
    assert [node.name for node in graph.nodes] == [
        "conv2d", "conv2d_relu", "max_pooling2d", "flatten", "dense", "dense_softmax",
    ]  # fmt: skip
    assert kinds_of(graph) == ["conv2d", "relu", "max_pool2d", "flatten", "dense", "softmax"]


def test_activation_layer_keeps_its_name():
    graph = from_keras(sequential((6,), layers.Dense(5), layers.Activation("relu", name="squash")), ROWS)
    assert [node.name for node in graph.nodes] == ["dense", "squash"]


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.filterwarnings("ignore")  # Keras warns that .h5 is old
def test_files(tmp_path, suffix):
    model = network()
    path = tmp_path / f"net{suffix}"
    model.save(path)
    assert_same(from_keras(path, ROWS), model)
    assert_same(from_keras(str(path), ROWS), model)


def test_functional_chain():
    i = x = keras.Input((9, 9, 1))
    for part in (layers.Conv2D(2, 3), batch_norm(), layers.ReLU(), layers.Flatten(), layers.Dense(3)):
        x = part(x)
    model = keras.Model(i, x)
    graph = from_keras(model, ROWS)
    assert kinds_of(graph) == ["conv2d", "batch_normalization", "relu", "flatten", "dense"]
    assert_same(graph, model)


def test_functional_chain_of_named_inputs():
    i = keras.Input((4,), name="pixels")
    model = keras.Model({"pixels": i}, layers.Dense(3)(i))
    assert from_keras(model, ROWS).input_shape == (4,)


def test_functional_part_of_a_model():
    whole = network()
    part = keras.Model(whole.inputs, whole.layers[1].output)
    assert_same(from_keras(part, ROWS), part)


def test_nested_models_are_flattened():
    features = sequential((9, 9, 1), layers.Conv2D(2, 3), batch_norm(), name="features")
    head = sequential((7, 7, 2), layers.Flatten(), layers.Dense(3), name="head")
    model = sequential((9, 9, 1), features, head)
    assert_same(from_keras(model, ROWS), model)
    i = keras.Input((9, 9, 1))
    model = keras.Model(i, head(features(i)))
    assert_same(from_keras(model, ROWS), model)


def test_model_built_by_its_first_call():
    model = keras.Sequential([layers.Dense(3)])
    model(np.zeros((1, 4)))
    assert_same(from_keras(model, ROWS), model)


def refused(source, text):
    with pytest.raises(Refusal, match=text) as refusal:
        from_keras(source, ROWS)
    assert "\n" not in str(refusal.value)


def test_unsupported_layer_is_named():
    model = sequential((5, 4), layers.LSTM(3))
    refused(
        model,
        r"^layer 'lstm': LSTM is not supported; supported are: Conv2D, MaxPooling2D, Dense, Flatten, ReLU, "
        "Softmax, BatchNormalization, Activation, Dropout, ",
    )


UNSUPPORTED = {
    "layer 're_lu': max_value=6.0 is not supported": lambda: layers.ReLU(max_value=6.0),
    "layer 'conv2d': an activation 'gelu' is not supported; supported are: linear, relu, tanh,": (
        lambda: layers.Conv2D(2, 3, activation="gelu")
    ),
    "layer 'activation': an activation 'selu' is not supported": lambda: layers.Activation("selu"),
    "layer 'dense': Dense takes (features,), not (9, 7, 3)": lambda: layers.Dense(3),
    "layer 'max_pooling2d': data_format=": lambda: layers.MaxPooling2D(2, data_format="channels_first"),
    "layer 'batch_normalization': axis=1 is not supported on": lambda: layers.BatchNormalization(axis=1),
}


@pytest.mark.parametrize("text", UNSUPPORTED)
def test_unsupported_settings_are_named(text):
    refused(sequential(IMAGE, UNSUPPORTED[text]()), "^" + re.escape(text))


@pytest.mark.filterwarnings("ignore")  # Keras warns of functions without a name
def test_activation_functions_of_ones_own_are_refused():
    model = sequential((4,), layers.Dense(3, activation=lambda x: x * 2))
    refused(model, "^layer 'dense': an activation of your own is not supported")


def test_unsupported_layer_in_a_nested_model_is_named():
    model = sequential((6,), sequential((6,), layers.LayerNormalization(name="inside"), name="outer"))
    refused(model, "^layer 'inside': LayerNormalization is not supported")


def test_branches_are_refused():
    i = keras.Input((4,))
    a = layers.Dense(3, name="a")(i)
    b = layers.Dense(3, name="b")(i)
    refused(
        keras.Model(i, layers.Add()([a, b])),
        "^layer 'b' takes 'input_layer', not the one layer before it, 'a'",
    )


def test_merging_layers_are_refused():
    i = keras.Input((4,))
    a = layers.Dense(4, name="a")(i)
    refused(keras.Model(i, layers.Add()([i, a])), "^layer 'add' takes 'input_layer' and 'a'")


def test_layers_used_twice_are_refused():
    i = keras.Input((4,))
    shared = layers.Dense(4, name="shared")
    refused(keras.Model(i, shared(shared(i))), "^layer 'shared' takes 'input_layer' and 'shared'.* each used once")


def test_bare_operations_are_refused():
    i = keras.Input((4,))
    refused(keras.Model(i, layers.Dense(4)(i) + 1.0), "^layer 'add': Add is not supported")


def test_several_inputs_and_outputs_are_refused():
    i, j = keras.Input((4,)), keras.Input((4,))
    refused(
        keras.Model([i, j], layers.Add()([i, j]), name="two"),
        "^model 'two' has 2 inputs; only models with one",
    )
    a = layers.Dense(3)(i)
    refused(
        keras.Model(i, [a, layers.Dense(2)(a)], name="two"),
        "^model 'two' has 2 outputs; only models with one",
    )


def test_open_input_shapes_are_refused():
    refused(
        sequential((None, None, 3), layers.Conv2D(2, 3)),
        r"^model 'net': the input shape \(None, None, 3\) is not",
    )
    refused(
        keras.Sequential([layers.Dense(3)], name="bare"),
        "^model 'bare' has no input shape yet; put keras.Input",
    )


def test_subclassed_models_are_refused():
    class Own(keras.Model):
        def call(self, x):
            return x

    refused(Own(name="own"), "^model 'own' is a Own; only Sequential and functional")


def test_names_given_twice_are_refused():
    model = sequential((6,), layers.Dense(5, activation="relu", name="a"), layers.ReLU(name="a_relu"))
    refused(model, "^two layers are called 'a_relu'")


def test_what_is_no_model_is_refused():
    refused(3, "^a model must be a path or a keras.Model, not int$")


def test_missing_file(tmp_path):
    refused(tmp_path / "net.keras", r"/net\.keras: no such file$")


def test_wrong_suffix(tmp_path):
    (tmp_path / "net.onnx").touch()
    refused(tmp_path / "net.onnx", r"/net\.onnx: a Keras model must be a \.keras or \.h5 file")


@pytest.mark.parametrize("keep", [0, 0.1, 0.5, 0.99])
def test_cut_file(tmp_path, keep):
    path = tmp_path / "net.keras"
    network().save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])
    refused(path, r"/net\.keras: is cut off, or not a \.keras file; save the model again$")


def test_zip_that_is_no_model(tmp_path):
    np.savez(tmp_path / "net.npz", x=np.zeros(3))
    refused((tmp_path / "net.npz").rename(tmp_path / "net.keras"), r"/net\.keras: Keras cannot load it: ")


def test_damaged_inside(tmp_path):
    path = tmp_path / "net.keras"
    network().save(path)
    damaged = bytearray(path.read_bytes())
    damaged[200:260] = bytes(60)
    path.write_bytes(damaged)
    refused(path, r"/net\.keras: Keras cannot load it: ")


def test_h5_that_is_no_model(tmp_path):
    (tmp_path / "text.h5").write_text("no model")
    refused(tmp_path / "text.h5", r"/text\.h5: Keras cannot load it: ")
    h5py = pytest.importorskip("h5py", reason="comes with TensorFlow")
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["x"] = np.zeros(3)
    refused(tmp_path / "data.h5", r"/data\.h5: Keras cannot load it: No model config found")


def test_without_tensorflow(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    refused("net.keras", re.escape("pip install 'dnn2fpga[keras]'"))


def test_reading_is_quiet(tmp_path):
    path = tmp_path / "net.keras"
    network().save(path)
    code = (
        "import sys; from dnn2fpga.model.keras import from_keras; from model.rows import ROWS; "
        f"from_keras({str(path)!r}, ROWS)"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TF_")}
    environment["PYTHONPATH"] = str(Path(__file__).parents[1])
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
