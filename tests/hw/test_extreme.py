"""Extreme quantization keeps the contract: binary and ternary weights, one-bit activations, power-of-two scales."""

import numpy as np
import pytest
from amaranth import signed, unsigned

from dnn2fpga.hw import DenseFolding, Sums, timing
from dnn2fpga.hw.plan import plan
from dnn2fpga.hw.timing import Sink, Source
from dnn2fpga.kinds import FOLDINGS
from dnn2fpga.quant.fixed import Format, requantize
from dnn2fpga.quant.scheme import LayerBits

from ..networks import Builder
from .test_contract import STALLS, inputs_of, measured
from .test_mac import KERNELS, kernel_of
from .test_mac import inputs_of as inputs_of_shape


def network(*bits, **scheme):
    """A convolution of 18 products a sum, which some foldings fill up to more, and a dense layer."""
    layers = Builder((3, 4, 3)).conv(4, (2, 3), (2, 2), "same").relu().flatten().dense(6)
    return layers.quantized(*bits, **scheme)


NETWORKS = {
    "binary": network(1, 8),
    "binary, asymmetric": network(1, 6, symmetric=False),
    "ternary": network(2, 8),
    "ternary, unsigned": network(2, 8, signed=False),
    "xnor": network(1, 1, sign=True),
    "binary, 0 and 1": network(1, 1),
    "ternary, sign": network(2, 1, sign=True),
    "ternary, 0 and 1": network(2, 1),
    "8 bits behind a sign": network(8, 1, sign=True),
    "8 bits behind 0 and 1": network(8, 1),
    "xnor between 8 bits": network(8, 8, sign=True, layers={"conv2d_0": LayerBits(1, 1)}),
    "power of two": network(8, 8, power_of_two=True),
    "power of two, per tensor": network(8, 8, power_of_two=True, per_channel=False),
    "power of two, asymmetric": network(8, 8, power_of_two=True, symmetric=False),
    "ternary, power of two": network(2, 4, power_of_two=True),
    "per tensor": network(8, 8, per_channel=False),
}


def few_foldings(node):
    """One in between, the last, and one whose last word is filled up."""
    foldings = list(FOLDINGS[node.spec.kind](node))
    k = len(node.arrays["kernel"])
    filled = [folding for folding in foldings if k % getattr(folding, "folding", folding).inputs]
    return [foldings[len(foldings) // 3], foldings[-1], *filled[-1:]]


LAYERS = [
    pytest.param(node, folding, id=f"{name}-{node.spec.kind}-{index}")
    for name, qgraph in NETWORKS.items()
    for node in qgraph.nodes
    if node.arrays
    for index, folding in enumerate(few_foldings(node))
]


@pytest.mark.parametrize(("node", "folding"), LAYERS)
def test_equals_the_reference_in_the_cycles_of_its_timing(node, folding):
    q = inputs_of(None, node)
    measured(folding, q, node.run(q), STALLS["both"])
    trace = measured(folding, q, node.run(q))
    source, sink = Source(len(trace.taken)), Sink()
    timing.run([source.process(), *folding.timing(), sink.process()])
    assert source.taken == trace.taken.tolist()
    assert sink.taken == trace.given.tolist()


def hand_made(name, x_shape):
    values, weight = KERNELS[name]
    rng = np.random.default_rng(2)
    return Sums(
        kernel_of(values, 7, 4), rng.integers(-(1 << 12), 1 << 12, 4), np.array([256, 128, 256, 64]), 7,
        x_shape, weight, signed(6),
    )  # fmt: skip


@pytest.mark.parametrize("x_shape", [unsigned(1), signed(1), signed(5)], ids=str)
@pytest.mark.parametrize("name", KERNELS)
def test_hand_made_sums_with_a_filled_up_word(name, x_shape):
    sums = hand_made(name, x_shape)
    x = inputs_of_shape(x_shape, (6, 7))
    expected = requantize(x @ sums.kernel, sums.multiplier, sums.offset, sums.shift, Format(6, True, 1.0))
    words = np.pad(x, ((0, 0), (0, 2)))  # to three words of three
    measured(DenseFolding(sums, outputs=2, inputs=3), words, expected)


def test_the_plan_counts_no_multiplier_where_there_is_none():
    rows = {row["kind"]: row for row in (layer.row() for layer in plan(NETWORKS["xnor"], FOLDINGS, fps=1e5).layers)}
    assert [row["multipliers"] for row in rows.values()] == [0, 0]
    assert rows["conv2d"]["dsps"] == 0  # its one bit is a comparison
    assert rows["dense"]["memory_bits"] == 16 * 6  # a bit a weight


@pytest.mark.parametrize(
    ("name", "sorts"),
    [("xnor", 0), ("ternary, power of two", 0), ("ternary", 1), ("power of two", 1), ("per tensor", 2)],
)
def test_only_multipliers_can_be_made_of_luts(name, sorts):
    """Those of the array and those of the requantizer are two sorts."""
    node = next(node for node in NETWORKS[name].nodes if node.spec.kind == "conv2d")
    assert len(list(few_foldings(node)[0].with_fewer_dsps(1))) == sorts
