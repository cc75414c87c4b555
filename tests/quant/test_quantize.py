from __future__ import annotations

import numpy as np
import pytest

from dnn2fpga.dataset import read_dataset
from dnn2fpga.errors import Refusal
from dnn2fpga.model.batch_norm import BatchNormalization
from dnn2fpga.model.description import load
from dnn2fpga.model.graph import Graph, Node
from dnn2fpga.quant.fixed import Format
from dnn2fpga.quant.graph import BATCH
from dnn2fpga.quant.ops.conv2d import Conv2D
from dnn2fpga.quant.ops.dense import Dense
from dnn2fpga.quant.ops.flatten import Flatten
from dnn2fpga.quant.ops.relu import ReLU
from dnn2fpga.quant.ops.table import Tanh
from dnn2fpga.quant.ops.window import Window
from dnn2fpga.quant.quantize import integer_graph, quantize_graph
from dnn2fpga.quant.scheme import Formats, LayerBits, Scheme
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


def worst_error(graph, samples=SAMPLES, **scheme):
    """The largest error against the float model, as a part of the largest output, channel by channel."""
    qgraph = quantize_graph(graph, samples, Scheme(**scheme))
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
        qgraph = quantize_graph(model, data.x_calibrate, Scheme(bits, bits))
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


def two_layers(*between):
    return graph(random_dense(), *between, random_dense(4, 3, "last"))


@pytest.mark.parametrize(
    ("scheme", "bound"),
    [
        ({"symmetric": False}, 0.03),
        ({"per_channel": False}, 0.04),
        ({"power_of_two": True}, 0.04),
        ({"power_of_two": True, "symmetric": False, "per_channel": False}, 0.05),
        ({"input_bits": 16}, 0.03),
    ],
)
def test_other_formats_follow_the_floats_too(scheme, bound):
    assert worst_error(two_layers(), **scheme).max() < bound
    assert worst_error(two_layers(Node("tanh", Tanh())), **scheme).max() < bound


def test_asymmetric_formats_use_all_their_integers():
    """The input's range is lopsided: a symmetric format would waste almost half of it."""
    samples = SAMPLES - 0.9
    one_sided = worst_error(two_layers(), samples, weight_bits=16, activation_bits=5, symmetric=False)
    assert one_sided.max() < worst_error(two_layers(), samples, weight_bits=16, activation_bits=5).max()
    qgraph = quantize_graph(two_layers(), samples, Scheme(activation_bits=5, symmetric=False))
    assert 0 < qgraph.i.zero_point < 31
    assert {0, 31} <= set(qgraph.quantize_input(samples).ravel().tolist())


def test_powers_of_two_everywhere():
    qgraph = quantize_graph(two_layers(Node("tanh", Tanh())), SAMPLES, Scheme(power_of_two=True))
    for fmt in (qgraph.i, *(node.o for node in qgraph.nodes)):
        assert np.log2(fmt.scale) == int(np.log2(fmt.scale))
    for node in qgraph.nodes:
        assert all(m.bit_count() == 1 for m in node.arrays.get("multiplier", np.array([1])).tolist())


def test_one_scale_a_layer():
    live = random_dense()
    kernel = live.weights["kernel"] * np.array([1, 0.1, 0.01, 0.001])
    [node] = quantize_graph(graph(dense(kernel, np.zeros(4))), SAMPLES, Scheme(per_channel=False)).nodes
    assert len(set(node.arrays["multiplier"].tolist())) == 1


@pytest.mark.parametrize("bits", [1, 2])
def test_binary_and_ternary_weights(bits):
    [node] = quantize_graph(graph(random_dense()), SAMPLES, Scheme(weight_bits=bits)).nodes
    assert set(node.arrays["kernel"].ravel().tolist()) <= ({-1, 1} if bits == 1 else {-1, 0, 1})


def test_widths_of_single_layers():
    scheme = Scheme(weight_bits=4, activation_bits=4, input_bits=8, layers={"dense": LayerBits(3, 6)})
    first, last = quantize_graph(two_layers(), SAMPLES, scheme).nodes
    assert (first.i.bits, first.scalars["weight_bits"], first.o.bits) == (8, 3, 6)
    assert (last.scalars["weight_bits"], last.o.bits) == (4, 16)


def test_one_bit_activations_are_signs_in_the_place_of_a_relu():
    model = two_layers(Node("relu", ReLU()))
    first, _ = quantize_graph(model, SAMPLES, Scheme(activation_bits=1, input_bits=8, sign=True)).nodes
    assert first.o.is_sign
    sums = SAMPLES @ model.nodes[0].weights["kernel"] + model.nodes[0].weights["bias"]
    clear = np.abs(sums) > 0.1  # elsewhere the error of the weights may turn the sign
    q = first.run(quantize_graph(model, SAMPLES).quantize_input(SAMPLES))
    assert ((q == 0) == (sums > 0))[clear].all()
    first, _ = quantize_graph(model, SAMPLES, Scheme(activation_bits=1, input_bits=8)).nodes
    assert (first.o.bits, first.o.signed) == (1, False)


def test_the_zero_point_of_a_sign_is_kept_to_the_last_bit():
    """All in powers of two, so that nothing is rounded: -1 and +1 times -1 and +1, and a bias."""
    kernel = np.array([[1, 1, -1], [1, -1, -1], [-1, -1, -1]])
    formats = Formats(Format(1, True, 2.0, -0.5), {"dense": Format(16, True, 0.25)}, {"dense": np.ones(3)})
    model = graph(dense(kernel, [0.25, 0, -0.5]), shape=(3,))
    qgraph = integer_graph(model, Scheme(1, 1, sign=True), formats)
    x = np.array([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)])
    assert (qgraph.outputs_to_real(qgraph.run(x)) == model.run(x)).all()


def test_images_may_lack_the_channel_axis():
    model = graph(Node("flatten", Flatten()), random_dense(), shape=(2, 3, 1))
    images = SAMPLES.reshape(-1, 2, 3)
    qgraph = quantize_graph(model, images)
    assert np.array_equal(qgraph.run(images), qgraph.run(images[..., np.newaxis]))


def refused(text, model, samples=SAMPLES, **scheme):
    with pytest.raises(Refusal, match=text) as refusal:
        quantize_graph(model, samples, Scheme(**scheme))
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


@pytest.mark.parametrize("bits", [0, 17, 8.0])
def test_bad_widths_are_refused(bits):
    refused(f"^weights must be from 1 to 16 bits, not {bits}$", graph(random_dense()), weight_bits=bits)
    refused(f"^activations must be from 1 to 16 bits, not {bits}$", graph(random_dense()), activation_bits=bits)


@pytest.mark.parametrize(
    ("scheme", "text"),
    [
        ({"calibration": "guess"}, r"^there is no calibration 'guess'; there are: min_max"),
        ({"layers": {"no": LayerBits(8, 8)}}, r"^there is no layer 'no' with weights; there are: dense$"),
        ({"layers": {"dense": LayerBits(0, 8)}}, r"^layer 'dense': weights must be from 1 to 16 bits, not 0$"),
        ({"floating": frozenset(["tanh"])}, r"^there is no layer 'tanh' with weights; there are: dense$"),
        ({"input_bits": 17}, r"^the input must be from 1 to 16 bits, not 17$"),
    ],
)
def test_bad_schemes_are_refused(scheme, text):
    refused(text, graph(random_dense(), Node("tanh", Tanh())), **scheme)


def test_outputs_finer_than_a_step_of_the_sum_are_refused():
    """In calibration all sums cancel out to almost nothing, which would need a very fine output format."""
    model = graph(dense([[1], [-1]], [1e-9]), shape=(2,))
    refused("^layer 'dense': one step of the sum is worth .* use more bits for weights", model, np.ones((5, 2)))


def test_models_without_layers_are_refused():
    refused("^the model has no layers; at least one is needed$", graph())


def test_kernels_that_do_not_fit_are_refused():
    refused(r"^layer 'dense': kernel has shape \(7, 4\); \(6, 4\) is needed$", graph(random_dense(7, 4)))
    conv = Node("conv", Conv2D(2, Window((3, 3))), {"kernel": np.zeros((3, 3, 2, 2)), "bias": np.zeros(2)})
    text = r"^layer 'conv': kernel has shape \(3, 3, 2, 2\); \(3, 3, 1, 2\) is needed$"
    refused(text, graph(conv, shape=(4, 4, 1)), np.zeros((1, 4, 4, 1)))


def test_missing_weights_are_refused():
    bare = Node("dense", Dense(4), {"kernel": np.zeros((6, 4))})
    refused(r"^layer 'dense': bias is missing; an array of shape \(4,\) is needed$", graph(bare))
