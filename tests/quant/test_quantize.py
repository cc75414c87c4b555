from __future__ import annotations

import numpy as np
import pytest

from dnn2fpga.dataset import read_dataset
from dnn2fpga.errors import Refusal
from dnn2fpga.model.batch_norm import BatchNormalization
from dnn2fpga.model.description import load
from dnn2fpga.model.graph import Graph, Node
from dnn2fpga.quant.graph import BATCH
from dnn2fpga.quant.ops.conv2d import Conv2D
from dnn2fpga.quant.ops.dense import Dense
from dnn2fpga.quant.ops.flatten import Flatten
from dnn2fpga.quant.ops.relu import ReLU
from dnn2fpga.quant.ops.softmax import Softmax
from dnn2fpga.quant.ops.table import Tanh
from dnn2fpga.quant.ops.window import Window
from dnn2fpga.quant.quantize import quantize_graph
from dnn2fpga.shipped import digits, model_folder

from .specs import SPECS

SAMPLES = np.random.default_rng(0).uniform(-1, 1, (200, 6))


def dense(kernel, bias, name="dense"):
    kernel = np.asarray(kernel, np.float32)
    return Node(name, Dense(kernel.shape[-1]), {"kernel": kernel, "bias": np.asarray(bias, np.float32)})


def graph(*nodes, shape=(6,)):
    return Graph("net", shape, nodes)


def random_dense(features=6, units=4, name="dense"):
    rng = np.random.default_rng(features)
    return dense(rng.normal(size=(features, units)), rng.normal(size=units), name)


def worst_error(graph, samples=SAMPLES, **bits):
    """The largest error against the float model, as a part of the largest output, channel by channel."""
    qgraph = quantize_graph(graph, samples, **bits)
    expected = graph.run(samples)
    error = np.abs(qgraph.outputs_to_real(qgraph.run(samples)) - expected).max(axis=0)
    return error / np.abs(expected).max()


@pytest.fixture(scope="module")
def data():
    return read_dataset(digits())


@pytest.mark.parametrize("name", ["mnist_cnn", "mnist_mlp"])
def test_int8_keeps_the_accuracy(name, data):
    model = load(model_folder(name), SPECS)
    qgraph = quantize_graph(model, data.x_calibrate)
    float_accuracy = np.mean(model.run(data.x_judge[..., np.newaxis]).argmax(axis=1) == data.y_judge)
    int_accuracy = np.mean(qgraph.classify(qgraph.run(data.x_judge)) == data.y_judge)
    assert int_accuracy >= float_accuracy - 0.005


def test_accuracy_of_each_width(data):
    model = load(model_folder("mnist_mlp"), SPECS)
    accuracy = {}
    for bits in range(2, 17):
        qgraph = quantize_graph(model, data.x_calibrate, weight_bits=bits, activation_bits=bits)
        assert qgraph.run(data.x_judge[:3]).shape == (3, 11)
        accuracy[bits] = np.mean(qgraph.classify(qgraph.run(data.x_judge)) == data.y_judge)
    float_accuracy = np.mean(model.run(data.x_judge[..., np.newaxis]).argmax(axis=1) == data.y_judge)
    assert accuracy[2] > 0.2
    assert accuracy[4] > float_accuracy - 0.05
    assert all(accuracy[bits] >= float_accuracy - 0.005 for bits in range(6, 17))
    assert accuracy[16] == float_accuracy


@pytest.mark.parametrize(("bits", "bound"), [(4, 0.2), (8, 0.02), (12, 0.001), (16, 0.0001)])
def test_error_shrinks_with_the_width(bits, bound):
    error = worst_error(graph(random_dense()), weight_bits=bits, activation_bits=bits).max()
    assert error < bound


def test_every_integer_is_in_its_format(data):
    qgraph = quantize_graph(load(model_folder("mnist_cnn"), SPECS), data.x_calibrate)
    q = qgraph.quantize_input(data.x_judge[:50])
    assert (q.min(), q.max()) == (0, 255)
    for node, out in qgraph.trace(data.x_judge[:50]):
        assert out.dtype == np.int64
        assert out.shape == (50, *node.output_shape)
        assert node.o.minimum <= out.min()
        assert out.max() <= node.o.maximum
    assert np.array_equal(out, qgraph.run(data.x_judge[:50]))


def test_images_do_not_depend_on_one_another():
    qgraph = quantize_graph(graph(random_dense()), SAMPLES)
    many = np.resize(SAMPLES, (2 * BATCH + 3, 6))
    assert np.array_equal(qgraph.run(many), np.concatenate([qgraph.run(one[np.newaxis]) for one in many]))


def test_relu_makes_the_output_unsigned():
    qgraph = quantize_graph(graph(random_dense(), Node("relu", ReLU()), random_dense(4, 2, "last")), SAMPLES)
    assert [node.name for node in qgraph.nodes] == ["dense", "last"]
    assert (qgraph.nodes[0].o.signed, qgraph.nodes[0].o.bits) == (False, 8)
    assert (qgraph.o.signed, qgraph.o.bits) == (True, 16)


def test_batch_norm_is_folded_first():
    statistics = {"moving_mean": np.array([1, -2, 0, 3.0]), "moving_variance": np.array([0.5, 2, 1, 4.0])}
    spec = BatchNormalization(1e-3, scale=False, center=False)
    model = graph(random_dense(), Node("norm", spec, statistics))
    assert worst_error(model).max() < 0.02


def test_a_dead_channel_stays_dead_and_harms_no_other():
    live = random_dense()
    kernel, bias = live.weights["kernel"] / 1000, live.weights["bias"] / 1000
    alone = quantize_graph(graph(dense(kernel[:, 1:], bias[1:])), SAMPLES)
    kernel[:, 0], bias[0] = 0, 0
    both = quantize_graph(graph(dense(kernel, bias)), SAMPLES)
    assert (both.run(SAMPLES)[:, 0] == 0).all()
    assert np.array_equal(both.run(SAMPLES)[:, 1:], alone.run(SAMPLES))


def test_all_channels_dead():
    qgraph = quantize_graph(graph(dense(np.zeros((6, 3)), np.zeros(3))), SAMPLES)
    assert (qgraph.run(SAMPLES) == 0).all()


@pytest.mark.parametrize("bits", [8, 16])
def test_a_channel_of_bias_alone_is_exact(bits):
    live = random_dense()
    kernel, bias = live.weights["kernel"].copy(), live.weights["bias"].copy()
    kernel[:, 0] = 0
    bias[0] = 1.0
    error = worst_error(graph(dense(kernel, bias)), weight_bits=bits, activation_bits=bits)
    assert error[0] < 2e-4


@pytest.mark.parametrize("size", [1e3, 1e6, 1e12])
def test_big_biases(size):
    """They swamp the weights; the outputs stay right to a few steps, and nothing overflows."""
    live = random_dense()
    model = graph(dense(live.weights["kernel"], size * live.weights["bias"]))
    assert worst_error(model).max() < 1e-3


def test_a_great_bias_of_a_dead_relu_harms_no_other_channel():
    live = random_dense()
    bias = live.weights["bias"].copy()
    bias[0] = -1e9
    assert worst_error(graph(dense(live.weights["kernel"], bias), Node("relu", ReLU()))).max() < 0.03


def test_channels_of_very_different_size():
    live = random_dense()
    kernel = live.weights["kernel"] * 10.0 ** np.array([0, -2, -4, -8])
    assert worst_error(graph(dense(kernel, np.zeros(4)))).max() < 0.02


def test_calibration_stops_where_tanh_saturates():
    loud = dense(100 * np.eye(6), np.zeros(6))
    qgraph = quantize_graph(graph(loud, Node("tanh", Tanh()), random_dense(name="last")), SAMPLES)
    assert qgraph.nodes[0].o.scale * 127 == pytest.approx(np.arctanh(1 - 2.0**-8))


def test_images_may_lack_the_channel_axis():
    model = graph(Node("flatten", Flatten()), random_dense(), shape=(2, 3, 1))
    images = SAMPLES.reshape(-1, 2, 3)
    qgraph = quantize_graph(model, images)
    assert np.array_equal(qgraph.run(images), qgraph.run(images[..., np.newaxis]))


def refused(text, model, samples=SAMPLES, **bits):
    with pytest.raises(Refusal, match=text) as refusal:
        quantize_graph(model, samples, **bits)
    assert "\n" not in str(refusal.value)


def test_bad_weights_are_refused():
    bad = random_dense()
    bad.weights["kernel"][0, 0] = np.nan
    refused(r"^layer 'dense': kernel holds NaN \(1 of 24 values\)", graph(bad))


@pytest.mark.parametrize(
    ("samples", "text"),
    [
        (np.zeros((5, 7)), r"^calibration data has shape \(5, 7\); the model takes \(n, 6\)$"),
        (np.zeros(6), r"^calibration data has shape \(6,\); the model takes \(n, 6\)$"),
        (np.zeros((0, 6)), "^calibration data is empty; at least one sample is needed$"),
        (
            np.full((5, 6), np.nan),
            "^calibration data holds NaN or infinite values; every value must be finite$",
        ),
        (np.full((5, 6), "a"), "^calibration data must be numbers, not <U1$"),
    ],
)
def test_bad_calibration_data_is_refused(samples, text):
    refused(text, graph(random_dense()), samples)


@pytest.mark.parametrize("bits", [1, 17, 8.0])
def test_bad_widths_are_refused(bits):
    refused(f"^weights must be from 2 to 16 bits, not {bits}$", graph(random_dense()), weight_bits=bits)
    refused(f"^activations must be from 2 to 16 bits, not {bits}$", graph(random_dense()), activation_bits=bits)


def test_outputs_finer_than_a_step_of_the_sum_are_refused():
    """In calibration all sums cancel out to almost nothing, which would need a very fine output format."""
    model = graph(dense([[1], [-1]], [1e-9]), shape=(2,))
    refused("^layer 'dense': one step of the sum is worth .* use more bits for weights", model, np.ones((5, 2)))


def test_models_without_layers_are_refused():
    refused("^the model has no layers; at least one is needed$", graph())


def test_softmax_inside_a_model_is_refused():
    model = graph(random_dense(), Node("soft", Softmax()), random_dense(4, 2, "last"))
    refused("^layer 'soft': softmax is supported only at the end of a model$", model)


def test_kernels_that_do_not_fit_are_refused():
    refused(r"^layer 'dense': kernel has shape \(7, 4\); \(6, 4\) is needed$", graph(random_dense(7, 4)))
    conv = Node("conv", Conv2D(2, Window((3, 3))), {"kernel": np.zeros((3, 3, 2, 2)), "bias": np.zeros(2)})
    text = r"^layer 'conv': kernel has shape \(3, 3, 2, 2\); \(3, 3, 1, 2\) is needed$"
    refused(text, graph(conv, shape=(4, 4, 1)), np.zeros((1, 4, 4, 1)))


def test_missing_weights_are_refused():
    bare = Node("dense", Dense(4), {"kernel": np.zeros((6, 4))})
    refused(r"^layer 'dense': bias is missing; an array of shape \(4,\) is needed$", graph(bare))
