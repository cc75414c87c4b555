from __future__ import annotations

import os
import sys
from dataclasses import replace

import numpy as np
import pytest

from dnn2fpga.errors import Refusal
from dnn2fpga.model.graph import Graph
from dnn2fpga.quant.fixed import Format, next_power_of_two
from dnn2fpga.quant.qat import Training, fine_tune
from dnn2fpga.quant.qat_checkpoint import save
from dnn2fpga.quant.qat_model import FakeFormat, FakeKernel, FakeQuantized
from dnn2fpga.quant.quantize import calibrated, integer_graph
from dnn2fpga.quant.scheme import LayerBits, Scheme
from dnn2fpga.quant.weights import weight_scale

from ..networks import Builder
from .specs import FLOATING, SPECS

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
NEEDED = "training needs TensorFlow: pip install 'dnn2fpga[keras]'"
tf = pytest.importorskip("tensorflow", reason=NEEDED)
keras = pytest.importorskip("keras", reason=NEEDED)

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (240, 6)).astype(np.float32)


def dense_net() -> Graph:
    return Builder((6,), seed=1).dense(8).relu().dense(5).tanh().dense(3).softmax().graph()


def image_net() -> Graph:
    """Every layer kind; padding and strides that differ; a ReLU that stays a layer of its own."""
    net = Builder((9, 7, 2), seed=2).conv(4, (3, 3), (2, 1), "same").relu().conv(4, (2, 3), padding="same")
    net = net.pool((2, 2), (2, 2), "same").relu().conv(3, (3, 2)).tanh().flatten()
    return net.dense(6).sigmoid().dense(4).softmax().graph()


def mobile_net() -> Graph:
    """Convolutions in groups and dilated, averages, and dense layers along sequences."""
    net = (
        Builder((9, 8, 4), seed=3).conv(6, (3, 3), (2, 1), "same", groups=2).relu().depthwise(2, (3, 3), (2, 2), "same")
    )
    net = net.average((2, 3), (1, 2), "same").conv(3, (2, 1), dilation=(2, 1), border=((1, 0), (0, 0))).relu()
    return net.average((2, 1), (1, 1)).dense(5).depthwise(1, (1, 2), dilation=(1, 1)).graph()


def on_a_grid(graph: Graph) -> Graph:
    """The same with biases that take few bits, so that no float32 sum is rounded."""
    nodes = (
        node.with_weights(bias=np.round(node.weights["bias"] * 16) / 16) if node.spec.has_kernel else node
        for node in graph.nodes
    )
    return replace(graph, nodes=tuple(nodes))


def prepared(graph, scheme, x):
    graph = scheme.prepared(graph)
    return graph, calibrated(graph, x, scheme)


def tune(scheme, training, graph=None, x=X, y=None, **options):
    graph, formats = prepared(graph or dense_net(), scheme, x)
    return fine_tune(graph, scheme, formats, x, y, training, **options)


def labels(graph, x):
    """What a model takes its inputs for, and never only one class of them."""
    y = graph.run(x).argmax(axis=1)
    assert len(set(y.tolist())) > 1
    return y


def weights_of(tuned):
    return {f"{n.name}/{key}": value for n in tuned.graph.nodes for key, value in n.weights.items()}


def equal(a, b):
    one, other = weights_of(a), weights_of(b)
    same_scales = all((a.formats.weight_scales[k] == b.formats.weight_scales[k]).all() for k in b.formats.weight_scales)
    return same_scales and a.formats.outputs == b.formats.outputs and all((one[k] == other[k]).all() for k in other)


def test_every_layer_kind_of_a_float_model_is_in_the_image_net():
    assert {node.spec.kind for node in (*image_net().nodes, *mobile_net().nodes)} == set(SPECS) - {
        spec.kind for spec in FLOATING
    }


SIGNS = {"conv2d_0": LayerBits(4, 1), "conv2d_5": LayerBits(1, 4)}


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize(
    "scheme",
    [
        {},
        {"symmetric": False},
        {"per_channel": False, "calibration": "mse"},
        {"weight_bits": 1},
        {"weight_bits": 2, "layers": {"conv2d_0": LayerBits(2, 1)}},
        {"sign": True, "layers": SIGNS},
    ],
    ids=str,
)
def test_the_traced_model_gives_what_the_integers_stand_for(scheme, learned):
    """All scales are powers of two, so that float32 is exact; `==` at the output of every layer."""
    scheme = Scheme(**{"weight_bits": 4, "activation_bits": 5, "power_of_two": True, **scheme})
    x = RNG.uniform(-1, 1, (40, 9, 7, 2)).astype(np.float32)
    graph, formats = prepared(on_a_grid(image_net()), scheme, x)
    traced = FakeQuantized(keras, graph, scheme, formats, learn_scales=learned, dorefa=False).trace(x)
    for (node, q), real in zip(integer_graph(graph, scheme, formats).trace(x), traced, strict=True):
        expected = node.o.dequantize(q[..., : real.shape[-1]])
        assert (np.array(real) == expected).all(), node.name
        assert len(np.unique(expected)) > 1


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("scheme", [{}, {"symmetric": False}, {"weight_bits": 2}, {"weight_bits": 1}], ids=str)
def test_the_traced_model_of_groups_and_averages_gives_what_the_integers_stand_for(scheme, learned):
    scheme = Scheme(**{"weight_bits": 4, "activation_bits": 5, "power_of_two": True, **scheme})
    x = RNG.uniform(-1, 1, (40, 9, 8, 4)).astype(np.float32)
    graph, formats = prepared(on_a_grid(mobile_net()), scheme, x)
    traced = FakeQuantized(keras, graph, scheme, formats, learn_scales=learned, dorefa=False).trace(x)
    for (node, q), real in zip(integer_graph(graph, scheme, formats).trace(x), traced, strict=True):
        expected = node.o.dequantize(q)
        assert (np.array(real) == expected).all(), node.name
        assert len(np.unique(expected)) > 1


def test_averages_are_in_the_scale_that_is_learned():
    scheme, x = Scheme(8, 8), RNG.uniform(-1, 1, (8, 4, 4, 1)).astype(np.float32)
    graph, formats = prepared(Builder((4, 4, 1)).conv(2, (1, 1)).average((2, 2), (2, 2)).graph(), scheme, x)
    model = FakeQuantized(keras, graph, scheme, formats, learn_scales=True, dorefa=False)
    *_, growth = model.variables
    growth.assign(np.log(3.0))
    assert len({id(variable) for variable in model.variables}) == len(model.variables) == 4
    tuned, formats = model.tuned()
    qgraph = integer_graph(tuned, scheme, formats)
    steps = np.array(model(x)) / qgraph.o.scale
    np.testing.assert_allclose(steps, qgraph.run(x), atol=1.01)
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)


@pytest.mark.parametrize("calibration", ["min_max", "mse"])
@pytest.mark.parametrize("power_of_two", [False, True])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 3, 8])
def test_traced_scales_are_those_of_the_weights(bits, per_channel, power_of_two, calibration):
    scheme = Scheme(bits, 8, per_channel=per_channel, power_of_two=power_of_two, calibration=calibration)
    kernel = RNG.normal(size=(3, 3, 4, 6)) * np.array([1, 2, 0.5, 0.3, 5, 1])
    expected = weight_scale(kernel.reshape(-1, 6), bits, per_channel=per_channel, calibration=calibration)
    expected = next_power_of_two(expected) if power_of_two else expected
    made = FakeKernel(keras, kernel, scheme, bits, expected, learned=False, dorefa=False)
    # the traced one is worked out in float32
    np.testing.assert_allclose(np.array(made.scale), expected, rtol=0 if power_of_two else 1e-5)


def test_a_kernel_of_zeros_has_a_scale():
    for bits in (1, 2, 8):
        made = FakeKernel(keras, np.zeros((4, 3)), Scheme(bits), bits, np.ones(3), learned=False, dorefa=False)
        assert (np.array(made.scale) == 1).all()


@pytest.mark.parametrize(
    "fmt", [Format(3, True, 0.5), Format(2, False, 0.25), Format(3, False, 0.5, 2.0), Format(1, True, 1.5, -0.5)]
)
def test_gradients_of_an_activation(fmt):
    """1 within the range and 0 without; that of the scale is LSQ's (Esser et al. 2020, equation 3)."""
    x = np.linspace(-3, 3, 41, dtype=np.float32)
    rounds = FakeFormat(keras, fmt, learned=True)
    with tf.GradientTape(persistent=True) as tape:
        inputs = tf.constant(x)
        tape.watch(inputs)
        outputs = rounds(inputs)
    assert (outputs.numpy() == fmt.dequantize(fmt.quantize(x))).all()
    u = x / fmt.scale + fmt.zero_point
    inside = (u >= fmt.minimum) & (u <= fmt.maximum)
    assert inside.any()
    assert not inside.all()
    assert (tape.gradient(outputs, inputs).numpy() == inside).all()
    [growth] = rounds.variables
    found = tape.gradient(outputs, growth.value).numpy()
    of_scale = np.where(inside, fmt.quantize(x) - u, fmt.quantize(x) - fmt.zero_point)
    assert found / fmt.scale == pytest.approx(of_scale.sum(), rel=1e-4)


def test_weights_that_are_clipped_still_learn_unless_the_scale_does():
    kernel = np.array([[0.1], [-0.4], [3.0]])
    for learned, expected in ((False, [1, 1, 1]), (True, [1, 1, 0])):
        made = FakeKernel(keras, kernel, Scheme(2), 2, np.ones(1), learned=learned, dorefa=False)
        with tf.GradientTape() as tape:
            weights = made()
        assert (tape.gradient(weights, made.variables[0].value).numpy()[:, 0] == expected).all()


def test_dorefa_starts_with_the_weights_as_they_are():
    kernel = RNG.normal(size=(20, 3)).astype(np.float32)
    made = FakeKernel(keras, kernel, Scheme(3), 3, np.ones(3), learned=False, dorefa=True)
    np.testing.assert_allclose(np.array(made.floats), kernel, rtol=1e-5, atol=1e-6)
    made.variables[0].assign(1000 * made.variables[0].numpy())
    assert np.abs(made.floats).max() == np.float32(np.abs(kernel).max())


@pytest.mark.parametrize("floating", [["conv2d_0"], ["conv2d_0", "conv2d_2", "conv2d_5"], ["conv2d_2", "dense_10"]])
def test_layers_in_floating_point_are_not_rounded(floating):
    """Their weights, of 3 bits, would be far off; where integers go on, activations are of 12."""
    x = RNG.uniform(-1, 1, (40, 9, 7, 2)).astype(np.float32)
    scheme = Scheme(3, 12, floating=frozenset(floating))
    graph, formats = prepared(image_net(), scheme, x)
    traced = FakeQuantized(keras, graph, scheme, formats, learn_scales=True, dorefa=False).trace(x)
    for (node, q), real in zip(integer_graph(graph, scheme, formats).trace(x), traced, strict=True):
        expected = node.o.dequantize(q[..., : real.shape[-1]])
        np.testing.assert_allclose(real.numpy(), expected, atol=0.05 * np.abs(expected).max())
        if node.name.endswith("_to_integer"):
            steps = real.numpy() / node.o.scale
            np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)


LAST_8 = {"dense_4": LayerBits(8, 8)}
TRAINING = Training(epochs=3, batch=16, rate=3e-3, learn_scales=True, distillation=0.0)


@pytest.mark.parametrize(
    ("scheme", "training"),
    [
        ({"weight_bits": 2, "activation_bits": 3, "symmetric": False}, {}),
        ({"weight_bits": 3, "activation_bits": 1, "input_bits": 8, "calibration": "mse"}, {"dorefa": True}),
        (
            {"weight_bits": 1, "activation_bits": 1, "input_bits": 8, "sign": True, "layers": LAST_8},
            {"learn_scales": False, "distillation": 0.5},
        ),
    ],
)
def test_training_helps(scheme, training):
    scheme = Scheme(**scheme)
    y = labels(dense_net(), X)
    tuned = tune(scheme, replace(TRAINING, **training), y=y, teacher=dense_net())
    rows = tuned.history
    assert [row["epoch"] for row in rows] == [0, 1, 2, 3]
    assert set(rows[0]) == {"epoch", "loss", "accuracy", "validation_loss", "validation_accuracy"}
    assert rows[-1]["loss"] < rows[0]["loss"]
    best = rows[tuned.epoch]
    assert best["validation_accuracy"] == max(row["validation_accuracy"] for row in rows)
    qgraph = integer_graph(tuned.graph, scheme, tuned.formats)
    kept = X[np.random.default_rng(0).permutation(len(X))[:24]]
    again = FakeQuantized(keras, tuned.graph, scheme, tuned.formats, learn_scales=training == {}, dorefa=False)
    agree = np.mean(np.argmax(again(kept), axis=1) == qgraph.classify(qgraph.run(kept)))
    print(f"winners agree on {agree:.0%}")
    assert agree > 0.9


def test_the_loss_is_cross_entropy_of_labels_and_of_the_float_outputs():
    scheme, y = Scheme(3, 3), labels(dense_net(), X)
    tuned = tune(scheme, replace(TRAINING, epochs=1, rate=1e-9, distillation=0.25), y=y, teacher=dense_net())
    graph, formats = prepared(dense_net(), scheme, X)
    outputs = FakeQuantized(keras, graph, scheme, formats, learn_scales=False, dorefa=False)(X).numpy()
    kept = np.random.default_rng(0).permutation(len(X))[:24]
    logarithms = outputs - np.log(np.exp(outputs).sum(axis=1, keepdims=True))
    wanted = 0.75 * np.eye(3)[y] + 0.25 * dense_net().run(X)
    assert tuned.history[0]["validation_loss"] == pytest.approx(
        -(wanted * logarithms)[kept].sum(axis=1).mean(), rel=1e-5
    )


def test_without_labels_the_float_outputs_are_followed():
    """An autoencoder of images, whose output is no sum of products."""
    model = Builder((4, 4, 1), seed=3).conv(3, (3, 3), padding="same").relu().conv(1, (3, 3), padding="same")
    model, x = model.sigmoid().graph(), RNG.uniform(0, 1, (100, 4, 4)).astype(np.float32)
    tuned = tune(Scheme(2, 4), replace(TRAINING, rate=1e-2), model, x[..., np.newaxis])
    assert set(tuned.history[0]) == {"epoch", "loss", "validation_loss"}
    assert tuned.history[-1]["loss"] < tuned.history[0]["loss"]
    assert tuned.history[tuned.epoch]["validation_loss"] == min(row["validation_loss"] for row in tuned.history)


def test_what_is_returned_is_what_was_trained_last():
    """The best epoch's; its formats, made again, stay as they are to the last bit."""
    scheme = Scheme(2, 3, calibration="mse")
    tuned = tune(scheme, TRAINING, y=labels(dense_net(), X))
    before = calibrated(scheme.prepared(dense_net()), X, scheme)
    assert tuned.formats.outputs["dense_0"].scale != before.outputs["dense_0"].scale
    assert (tuned.formats.weight_scales["dense_0"] != before.weight_scales["dense_0"]).all()
    again = FakeQuantized(keras, tuned.graph, scheme, tuned.formats, learn_scales=True, dorefa=False)
    _, formats = again.tuned()
    assert formats.outputs == tuned.formats.outputs
    for name, scale in tuned.formats.weight_scales.items():
        assert (formats.weight_scales[name] == scale).all()


def test_harmful_training_is_not_returned():
    tuned = tune(Scheme(8, 8), replace(TRAINING, epochs=1, rate=1e3), y=labels(dense_net(), X))
    assert tuned.epoch == 0
    assert np.allclose(tuned.graph.nodes[0].weights["kernel"], dense_net().nodes[0].weights["kernel"])


class Interrupted(Exception):
    pass


def test_equal_runs_and_an_interrupted_one_give_equal_weights(tmp_path):
    y = labels(dense_net(), X)
    scheme, training = Scheme(2, 3), replace(TRAINING, epochs=4, distillation=0.5)
    seen = []
    whole = tune(scheme, training, y=y, progress=lambda *row: seen.append(row))
    assert [(done, epochs) for done, epochs, _ in seen] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [row for *_, row in seen] == whole.history[1:]

    kept = replace(training, checkpoint=tmp_path / "kept.npz")

    def stop(epoch, epochs, row):
        if epoch == 2:
            raise Interrupted

    with pytest.raises(Interrupted):
        tune(scheme, kept, y=y, progress=stop)
    resumed = []
    again = tune(scheme, kept, y=y, progress=lambda *row: resumed.append(row))
    assert [done for done, *_ in resumed] == [3, 4]
    assert again.history == whole.history
    assert equal(again, whole)
    assert equal(tune(scheme, kept, y=y), whole)  # nothing is left to do
    assert [path.name for path in tmp_path.iterdir()] == ["kept.npz"]

    for changed, other in ((Scheme(2, 3, per_channel=False), y), (scheme, 1 - np.minimum(y, 1))):
        with pytest.raises(Refusal, match=r"kept\.npz: is no checkpoint of this training, but of another model, "):
            tune(changed, kept, y=other)
    kept.checkpoint.write_bytes(kept.checkpoint.read_bytes()[:1000])
    with pytest.raises(Refusal, match=r"kept\.npz: is cut off, or not an \.npz file"):
        tune(scheme, kept, y=y)


def test_a_checkpoint_that_cannot_be_written(tmp_path):
    with pytest.raises(Refusal, match=r"c\.npz: the checkpoint cannot be written here: No such file or directory$"):
        save(tmp_path / "no" / "c.npz", "", {})


@pytest.mark.parametrize(
    ("training", "y", "text"),
    [
        ({"epochs": 0}, None, "^epochs must be at least 1, not 0$"),
        ({"batch": 0}, None, "^the batch must be at least 1, not 0$"),
        ({"rate": 0.0}, None, "^the rate must be positive, not 0.0$"),
        ({"validation": 1.0}, None, "^the share to validate on must be between 0 and 1, not 1.0$"),
        ({"distillation": 1.5}, None, "^the share of distillation must be from 0 to 1, not 1.5$"),
        ({}, np.zeros(240), r"^labels must be 240 integers, one a sample, not float64 of shape \(240,\)$"),
        ({}, np.zeros(7, int), r"^labels must be 240 integers, one a sample, not int64 of shape \(7,\)$"),
        ({}, np.full(240, 3), "^labels are from 3 to 3; the model has 3 outputs, from 0$"),
        ({"validation": 0.999}, None, "^training data holds 240 samples; at least two are needed, one of them to"),
    ],
)
def test_refusals(training, y, text):
    with pytest.raises(Refusal, match=text):
        tune(Scheme(), replace(TRAINING, **training), y=y)


def test_a_model_of_signs_is_no_teacher():
    scheme = Scheme(8, 1, input_bits=8, sign=True, calibration="mse")
    with pytest.raises(Refusal, match=r"^training for signs without labels needs the float model as its teacher"):
        tune(scheme, TRAINING)
    tuned = tune(scheme, TRAINING, teacher=dense_net())
    assert tuned.history[-1]["loss"] < tuned.history[0]["loss"]


def test_bad_data_is_refused():
    graph, formats = prepared(dense_net(), Scheme(), X)
    with pytest.raises(Refusal, match=r"^training data has shape \(240, 5\); the model takes \(n, 6\)$"):
        fine_tune(graph, Scheme(), formats, X[:, :5])


def test_without_tensorflow(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(Refusal, match=r"^training needs TensorFlow \(.*\); pip install 'dnn2fpga\[keras\]'$"):
        tune(Scheme(), TRAINING)


def test_on_another_backend(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(Refusal, match=r"^training needs Keras on TensorFlow, not on jax; unset KERAS_BACKEND$"):
        tune(Scheme(), TRAINING)
