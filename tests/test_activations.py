"""Activations out of Keras: they give Keras's own numbers, are trained as such, and go through to integers."""

import os

import numpy as np
import pytest

from dnn2fpga.errors import Refusal
from dnn2fpga.kinds import KINDS, SPECS
from dnn2fpga.model import description
from dnn2fpga.model.keras import from_keras
from dnn2fpga.quant import description as integers
from dnn2fpga.quant.qat import Training, fine_tune
from dnn2fpga.quant.qat_model import FakeQuantized
from dnn2fpga.quant.quantize import calibrated, integer_graph, quantize_graph
from dnn2fpga.quant.scheme import Scheme

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
NEEDED = "reading Keras models needs TensorFlow: pip install 'dnn2fpga[keras]'"
pytest.importorskip("tensorflow", reason=NEEDED)
keras = pytest.importorskip("keras", reason=NEEDED)
layers = keras.layers

ACTIVATIONS = (
    "relu", "relu6", "leaky_relu", "elu", "selu", "softplus", "softsign", "hard_sigmoid", "silu", "swish", "hard_silu",
    "hard_swish", "gelu", "exponential", "tanh", "sigmoid",
)  # fmt: skip
LAYERS = {
    "LeakyReLU": lambda: layers.LeakyReLU(),
    "LeakyReLU of a slope": lambda: layers.LeakyReLU(negative_slope=0.05),
    "ELU": lambda: layers.ELU(),
    "ELU of an alpha": lambda: layers.ELU(alpha=0.4),
    "ReLU of a limit": lambda: layers.ReLU(max_value=2.0),
    "ReLU of 6": lambda: layers.ReLU(max_value=6),
    "ReLU of a slope": lambda: layers.ReLU(negative_slope=0.3),
    "ReLU of a threshold": lambda: layers.ReLU(threshold=0.5),
    "ReLU of all": lambda: layers.ReLU(max_value=1.5, negative_slope=0.2, threshold=0.4),
    "ReLU of a limit and a slope": lambda: layers.ReLU(max_value=1.5, negative_slope=0.2),
    "ReLU of a limit below its threshold": lambda: layers.ReLU(max_value=0.5, threshold=1.0),
    "PReLU a channel": lambda: layers.PReLU(alpha_initializer="random_normal", shared_axes=[1, 2]),
    "PReLU for all": lambda: layers.PReLU(alpha_initializer="random_normal", shared_axes=[1, 2, 3]),
    "softmax": lambda: layers.Softmax(),
}
CASES = {
    **{name: (lambda name=name: layers.Activation(name)) for name in ACTIVATIONS},
    **{f"{name} of a layer": (lambda name=name: layers.Dense(3, activation=name)) for name in ("gelu", "swish")},
    **LAYERS,
}
X = np.random.default_rng(0).normal(0, 2, (40, 4, 3, 3)).astype(np.float32)


@pytest.fixture(params=CASES)
def model(request):
    keras.utils.set_random_seed(1)
    layer = CASES[request.param]()
    front = [layers.Flatten()] if isinstance(layer, layers.Dense) else []
    back = [layers.Flatten(), layers.Dense(4)]
    return keras.Sequential([keras.Input((4, 3, 3)), *front, layer, *back[len(front) :]])


def test_floats_equal_keras_and_integers_come_near(model, tmp_path):
    graph = from_keras(model, KINDS)
    expected = model.predict(X, verbose=0)
    assert np.allclose(graph.run(X), expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())

    description.save(graph, tmp_path / "float")
    assert description.load(tmp_path / "float", SPECS).nodes[0].spec == graph.nodes[0].spec

    # Which side of a jump a rounded input comes to lie on is chance.
    bound = 0.02 if getattr(graph.nodes[0].spec, "threshold", 0) else 0.003
    for scheme in (Scheme(), Scheme(symmetric=False), Scheme(power_of_two=True)):
        qgraph = quantize_graph(graph, X, scheme)
        found = qgraph.outputs_to_real(qgraph.run(X))
        signal = np.square(expected - expected.mean()).mean()
        assert np.square(found - expected).mean() < bound * signal
    integers.save(qgraph, tmp_path / "integers")
    assert (integers.load(tmp_path / "integers", SPECS).run(X) == qgraph.run(X)).all()


def test_training_sees_what_the_integers_stand_for(model):
    """Float32 tells some ties the other way: a step apart at most, and rarely."""
    scheme = Scheme(power_of_two=True, activation_bits=6)
    graph = scheme.prepared(from_keras(model, KINDS))
    formats = calibrated(graph, X, scheme)
    traced = FakeQuantized(keras, graph, scheme, formats, learn_scales=False, dorefa=False).trace(X)
    for (node, q), real in zip(integer_graph(graph, scheme, formats).trace(X), traced, strict=True):
        steps = np.abs(np.array(real) - node.o.dequantize(q)) / node.o.scale
        if not node.spec.has_kernel:
            assert steps.max() <= 1 + 1e-3, node.name
            assert (steps > 1e-3).mean() < 0.01, node.name


def test_prelu_is_trained():
    keras.utils.set_random_seed(1)
    parts = [layers.Conv2D(4, 2), layers.PReLU(shared_axes=[1, 2]), layers.Softmax(), layers.Flatten(), layers.Dense(3)]
    graph = from_keras(keras.Sequential([keras.Input((4, 3, 3)), *parts, layers.Softmax()]), KINDS)
    y = graph.run(X).argmax(axis=1)
    scheme = Scheme(weight_bits=4, activation_bits=4)
    graph = scheme.prepared(graph)
    tuned = fine_tune(graph, scheme, calibrated(graph, X, scheme), X, y, Training(epochs=2))
    trained = tuned.graph.nodes[1].weights["alpha"]
    assert trained.shape == (4,)
    assert np.isfinite(integer_graph(tuned.graph, scheme, tuned.formats).run(X)).all()


@pytest.mark.parametrize(
    ("shape", "layer", "text"),
    [
        ((4, 3, 3), lambda: layers.PReLU(), r"a slope for each position, \(4, 3, 3\), .* use shared_axes=\[1, 2\]"),
        ((4, 3), lambda: layers.PReLU(), r"a slope for each position, \(4, 3\), .* use shared_axes=\[1\]"),
        ((4, 3, 3), lambda: layers.Softmax(axis=1), "axis=1 is not supported; use axis=-1"),
        ((4,), lambda: layers.Activation("mish"), "an activation 'mish' is not supported; supported are: linear,"),
    ],
)  # fmt: skip
def test_what_is_not_supported_is_refused_by_name(shape, layer, text):
    with pytest.raises(Refusal, match=rf"^layer '\w+': {text}"):
        from_keras(keras.Sequential([keras.Input(shape), layer()]), KINDS)
