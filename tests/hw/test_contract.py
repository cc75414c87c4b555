"""The contract that every layer kind in hardware keeps, over every row of the table of kinds."""

import numpy as np
import pytest
from dnn2fpga.platforms.board import UP5K

from dnn2fpga.flow.engines import Pysim, Stalls
from dnn2fpga.hw import timing
from dnn2fpga.hw.layer import variants
from dnn2fpga.hw.timing import Sink, Source
from dnn2fpga.kinds import FOLDINGS, KINDS
from dnn2fpga.quant.fixed import Format
from dnn2fpga.quant.floating import FloatFormat
from dnn2fpga.quant.graph import QGraph, QNode
from dnn2fpga.quant.ops.affine import Affine
from dnn2fpga.quant.ops.lookup import Lookup
from dnn2fpga.quant.ops.merge import Merge
from dnn2fpga.quant.ops.rectifiers import ELU, SELU, LeakyReLU
from dnn2fpga.quant.ops.relu import BentReLU
from dnn2fpga.quant.ops.slice import Slice
from dnn2fpga.quant.ops.smooth import Exponential, Gelu, HardSigmoid, HardSilu, Silu, Softplus, Softsign

from ..networks import Builder
from .floating.layers import floating, some_codes, to_float, to_integer
from .watch import Watched

IMAGES = 3
STALLS = {
    "flowing": None,
    "slow source": Stalls(input=0.6, seed=7),
    "slow sink": Stalls(output=0.6, seed=8),
    "both": Stalls(0.4, 0.4, seed=9),
}


def within(builder):
    """`builder` with a softmax that something reads."""
    return builder.softmax().flatten()


def looked_up():
    """A table of any integers."""
    fmt, table = Format(8, True, 1.0, -7.0), np.random.default_rng(0).integers(-128, 128, 256)
    return QGraph("table", (QNode("lookup", Lookup(), (3, 4), (3, 4), fmt, fmt, {"table": table}, rounding="tflite"),))


# For each kind, layers of that kind in a setting that is awkward for it. The last layer of that kind is tested.
CASES = {
    "conv2d": [
        Builder((5, 7, 2)).conv(4, (3, 3)).quantized(),
        Builder((6, 5, 3)).conv(6, (2, 3), (2, 1), "same").relu().quantized(5, 6, signed=False),
        Builder((4, 6, 1)).conv(2, (1, 1), (3, 2)).quantized(2, 3),
        Builder((3, 1, 2)).conv(3, (2, 1)).quantized(16, 16),
        Builder((4, 4, 1)).conv(1, (4, 4)).quantized(),
        Builder((4, 5, 2)).conv(2, (3, 3), (1, 1), "same").quantized(5, 5, symmetric=False),
        Builder((4, 4, 2)).conv(4, (2, 2), (1, 1), "same").quantized(1, 1, sign=True),
        Builder((6, 7, 2)).conv(2, (2, 3), dilation=(3, 2)).quantized(),
        Builder((5, 6, 1)).conv(2, (3, 2), (2, 1), "same", dilation=(2, 3)).quantized(symmetric=False),
        Builder((4, 3, 2)).conv(3, (2, 2), (2, 1), border=((1, 0), (0, 1))).quantized(symmetric=False),
        Builder((8, 2)).conv(3, (1, 3), (1, 2), border=((0, 0), (2, 0))).quantized(),
        Builder((7, 3)).conv(2, (1, 3), (1, 1), "same", dilation=(1, 2)).quantized(4, 4),
        Builder((5, 4, 6)).conv(6, (2, 3), groups=3).quantized(),
        Builder((4, 4, 4)).conv(8, (2, 2), (1, 2), "same", groups=2).relu().quantized(5, 6, symmetric=False),
        Builder((4, 5, 4)).depthwise(1, (3, 3), (1, 1), "same").quantized(),
        Builder((5, 4, 6)).depthwise(2, (2, 3), (2, 1), "same", dilation=(1, 1)).quantized(4, 7, symmetric=False),
        Builder((4, 4, 3)).depthwise(1, (3, 2), (1, 1), "same").quantized(1, 4),
        Builder((4, 3, 4)).depthwise(1, (2, 2)).quantized(2, 1, sign=True),
        Builder((6, 4)).depthwise(1, (1, 2), dilation=(1, 3)).quantized(16, 16),
        Builder((3, 3, 8)).depthwise(1, (1, 1)).quantized(),
    ],
    "max_pool2d": [
        Builder((5, 6, 3)).pool((2, 2), (2, 2)).quantized(),
        Builder((5, 4, 2)).pool((3, 2), (1, 2), "same").quantized(8, 4),
        Builder((3, 3, 1)).pool((1, 1), (2, 2)).quantized(signed=False),
        floating(Builder((4, 4, 2)).pool((2, 2), (2, 2)), "bfloat16"),
        Builder((4, 3, 4)).pool((2, 3), (2, 1), border=((1, 1), (0, 2))).quantized(symmetric=False),
        Builder((7, 2)).pool((1, 3), (1, 2), "same").quantized(),
    ],
    "average_pool2d": [
        Builder((5, 6, 4)).average((2, 2), (2, 2)).quantized(),
        Builder((4, 5, 2)).average((3, 3), (1, 1), "same").quantized(signed=False),
        Builder((5, 4, 6)).average((3, 2), (2, 1), "same").quantized(8, 7, symmetric=False),
        Builder((3, 3, 2)).average((3, 3), (1, 1)).quantized(16, 16),
        Builder((9, 3)).average((1, 4), (1, 3), border=((0, 0), (1, 2))).quantized(),
        Builder((4, 4, 2)).average((2, 3), (1, 1)).quantized(1, 1, sign=True),
    ],
    "dense": [
        Builder((12,)).dense(6).quantized(),
        Builder((5,)).dense(3).relu().quantized(4, 7, signed=False),
        Builder((1,)).dense(1).quantized(2, 2),
        Builder((20,)).dense(4).quantized(16, 16),
        Builder((6,)).dense(4).quantized(8, 8, symmetric=False, per_channel=False),
        Builder((6,)).dense(4).quantized(4, 8, power_of_two=True),
        Builder((9,)).dense(6).quantized(1, 8),
        Builder((8,)).dense(6).quantized(2, 1),
        Builder((3, 2, 4)).dense(6).quantized(),
        Builder((5, 3)).dense(2).relu().quantized(4, 8, symmetric=False),
    ],
    "flatten": [],
    "reshape": [],
    "permute": [
        Builder((3, 4, 2)).permute(2, 1, 3).quantized(),
        Builder((2, 3, 4)).permute(3, 1, 2).quantized(5, 5),
        Builder((5, 3)).permute(2, 1).quantized(signed=False),
        Builder((1, 5, 1, 4)).permute(2, 3, 1, 4).quantized(),
        Builder((2, 1, 2, 3)).permute(3, 2, 1, 4).quantized(),
        Builder((16, 24)).permute(2, 1).quantized(),
        Builder((2, 3, 4, 3)).permute(2, 1, 3, 4).quantized(),
        floating(Builder((2, 2, 2)).permute(1, 3, 2), "bfloat16"),
    ],
    "zero_padding": [
        Builder((3, 2, 4)).zeros(((1, 2), (3, 0))).quantized(symmetric=False),
        Builder((1, 3, 1)).zeros(((0, 0), (0, 1))).quantized(),
        Builder((3, 1, 2)).zeros(((0, 0), (0, 0)), (2, 3)).quantized(),
        Builder((2, 3, 6)).zeros(((2, 0), (1, 4)), (3, 2)).quantized(5, 5),
        Builder((4, 3)).zeros(((0, 0), (2, 1)), (1, 2)).quantized(1, 1, sign=True),
        Builder((2, 2)).zeros(((0, 0), (0, 0))).quantized(),
        floating(Builder((2, 2, 1)).zeros(((1, 1), (1, 1))), "float16"),
    ],
    "cropping": [
        Builder((5, 4, 6)).crop(((1, 2), (0, 3))).quantized(),
        Builder((4, 1, 1)).crop(((3, 0), (0, 0))).quantized(),
        Builder((1, 4, 2)).crop(((0, 0), (1, 1))).quantized(),
        Builder((6, 4)).crop(((0, 0), (0, 5))).quantized(),
        Builder((2, 2, 3)).crop(((0, 0), (0, 0))).quantized(),
        floating(Builder((3, 3, 1)).crop(((1, 1), (1, 1))), "bfloat16"),
    ],
    "up_sampling": [
        Builder((2, 3, 6)).repeat((2, 3)).quantized(),
        Builder((3, 1, 4)).repeat((3, 1)).quantized(),
        Builder((1, 2, 1)).repeat((1, 2)).quantized(),
        Builder((2, 1, 1)).repeat((2, 2)).quantized(),
        Builder((4, 2)).repeat((1, 3)).quantized(),
        Builder((2, 2, 2)).repeat((1, 1)).quantized(),
        Builder((2, 40, 8)).repeat((2, 2)).quantized(),
        floating(Builder((2, 2, 2)).repeat((2, 2)), "float16"),
    ],
    "global_average_pool": [
        Builder((3, 3, 6)).global_average().quantized(),
        Builder((2, 4, 2)).global_average(keepdims=True).quantized(signed=False),
        Builder((7, 5)).global_average().quantized(16, 16),
        Builder((1, 5, 1)).global_average().quantized(symmetric=False),
        Builder((1, 1, 4)).global_average(keepdims=True).quantized(),
        Builder((3, 17)).global_average().quantized(5, 5),
        Builder((2, 1, 64)).global_average().quantized(),
        Builder((3, 2)).global_average().quantized(1, 1, sign=True),
    ],
    "global_max_pool": [
        Builder((3, 3, 6)).global_max().quantized(),
        Builder((4, 1, 2)).global_max(keepdims=True).quantized(symmetric=False),
        Builder((1, 1, 3)).global_max().quantized(),
        Builder((3, 18)).global_max().quantized(4, 4),
        floating(Builder((5, 2)).global_max(), "bfloat16"),
    ],
    "lookup": [looked_up()],
    "relu": [
        Builder((3, 2, 4)).relu().quantized(),
        Builder((6,)).relu().quantized(signed=False),
        Builder((6,)).relu().quantized(symmetric=False),
        floating(Builder((6,)).relu(), "float16"),
    ],
    "tanh": [Builder((3, 2, 2)).tanh().quantized(), Builder((6,)).tanh().quantized(activation_bits=5)],
    "sigmoid": [Builder((2, 2, 3)).sigmoid().quantized(), Builder((6,)).sigmoid().quantized(signed=False)],
    "bent_relu": [
        Builder((2, 3, 2)).add(BentReLU(0.5)).quantized(),
        Builder((6,)).add(BentReLU(None, 0.25, 0.125)).quantized(activation_bits=5, symmetric=False),
    ],
    "leaky_relu": [
        Builder((2, 3, 2)).add(LeakyReLU(0.1)).quantized(),
        Builder((6,)).add(LeakyReLU()).quantized(symmetric=False),
    ],
    "elu": [Builder((6,)).add(ELU(0.5)).quantized(power_of_two=True)],
    "selu": [Builder((6,)).add(SELU()).quantized()],
    "softplus": [Builder((6,)).add(Softplus()).quantized(activation_bits=6)],
    "softsign": [Builder((6,)).add(Softsign()).quantized()],
    "hard_sigmoid": [Builder((6,)).add(HardSigmoid()).quantized()],
    "silu": [Builder((6,)).add(Silu()).quantized(), Builder((6,)).add(Silu()).quantized(signed=False)],
    "hard_silu": [Builder((6,)).add(HardSilu()).quantized(symmetric=False)],
    "gelu": [Builder((6,)).add(Gelu()).quantized(), Builder((6,)).add(Gelu(approximate=True)).quantized()],
    "exponential": [Builder((6,)).add(Exponential()).quantized()],
    "prelu": [
        Builder((3, 2, 6)).prelu().quantized(),
        Builder((5,)).prelu().quantized(activation_bits=16),
        Builder((4,)).prelu().quantized(activation_bits=4, symmetric=False),
        Builder((4,)).prelu().quantized(activation_bits=5, power_of_two=True),
        Builder((3,)).prelu().quantized(activation_bits=2, signed=False),
        Builder((1,)).prelu().quantized(),
    ],
    "row_softmax": [
        within(Builder((2, 2, 5))).quantized(),
        within(Builder((12,))).quantized(activation_bits=4, symmetric=False),
        within(Builder((1,))).quantized(activation_bits=6, signed=False),
        within(Builder((2, 3))).quantized(activation_bits=10, power_of_two=True),
        within(Builder((2,))).quantized(activation_bits=1),
        within(Builder((40,)).dense(40).dense(6)).quantized(),  # far apart: the greatest of another row would tell
    ],
    "softmax": [
        Builder((2, 3, 4)).softmax().quantized(),
        Builder((4,)).dense(7).softmax().quantized(),
        Builder((4,)).dense(1).softmax().quantized(),
        floating(Builder((4,)).dense(5).softmax(), "bfloat16"),
    ],
    "affine": [
        Builder((2, 3, 4)).batch_norm().quantized(),
        Builder((6,)).batch_norm().relu().quantized(4, 5, symmetric=False),
        Builder((3, 2)).add(Affine(shared=True), kernel=np.full((1, 1), -0.3), bias=np.full(1, 0.1)).quantized(),
    ],
    "slice": [Builder((20,)).add(Slice(8, (2, 2, 2))).dense(2).quantized(signed=False)],
    "float_conv2d": [
        floating(Builder((4, 3, 1)).conv(2, (3, 3)), "float16"),
        floating(Builder((2, 3, 3)).conv(2, (2, 3), (1, 1), "same").relu(), "bfloat16", signed=False),
        floating(Builder((5, 2)).conv(2, (1, 2), dilation=(1, 2), border=((0, 0), (1, 0))), "bfloat16"),
        floating(Builder((2, 3, 4)).conv(2, (2, 2), groups=2), "bfloat16"),
    ],
    "float_dense": [
        floating(Builder((24,)).dense(3).relu(), "bfloat16"),
        floating(Builder((5,)).dense(2), "float16", signed=False),
        floating(Builder((8,)).dense(1), "bfloat16"),
        floating(Builder((1,)).dense(1), "bfloat16"),
        floating(Builder((16,)).dense(1), "float32"),
        floating(Builder((3, 8)).dense(2), "bfloat16"),
    ],
    "to_float": [
        to_float((2, 1), Format(8, False, 0.3, 17.0), "bfloat16"),
        to_float((2,), Format(16, True, 2.0**-9), "float16"),
        to_float((5, 1), Format(1, True, 0.7, -0.5), "float32"),
    ],
    "to_integer": [
        to_integer((2, 1), FloatFormat("bfloat16"), Format(8, False, 0.3, 17.0)),
        to_integer((2,), FloatFormat("float16", signed=False), Format(16, True, 2.0**-9)),
        to_integer((5, 1), FloatFormat("float32"), Format(1, True, 0.7, -0.5)),
    ],
}


def some_foldings(node):
    """All foldings if they are few, else some, the extremes among them; with pairs where a chip takes such."""
    foldings = [each for folding in FOLDINGS[node.spec.kind](node) for each in variants(folding, UP5K)]
    return foldings if len(foldings) <= 4 else foldings[:: len(foldings) // 3] + foldings[-2:]


def softened(folding):
    """The folding, and those with multipliers made of LUTs."""
    return [folding, *folding.with_fewer_dsps(1)]


LAYERS = [
    pytest.param(qgraph, node, folding, id=f"{kind}-{case}-{index}")
    for kind, cases in CASES.items()
    for case, qgraph in enumerate(cases)
    for node in qgraph.nodes
    if node.spec.kind == kind
    for index, folding in enumerate(some_foldings(node))
]


def test_every_kind_with_hardware_has_cases():
    for kind in KINDS:
        if not issubclass(kind.spec, Merge):  # whose cases are in tests/test_branches.py
            assert bool(CASES[kind.name]) == bool(kind.foldings), f"no case for {kind.name}"


def inputs_of(qgraph, node):
    """Integers that reach `node`, extremes among them."""
    rng = np.random.default_rng(1)
    if isinstance(node.i, FloatFormat):
        return some_codes(node.i, (IMAGES, *node.input_shape), rng)
    q = rng.integers(node.i.minimum, node.i.maximum + 1, (IMAGES, *node.input_shape))
    q[0, ..., 0] = node.i.maximum
    q[1, ..., 0] = node.i.minimum
    return q


def measured(folding, q, expected, stalls=None):
    """The trace of `q` through the component, its words checked against `expected`."""
    words = q.reshape(-1, folding.i_lanes)
    trace = Pysim().run(Watched(folding.build()), words, expected.size // folding.o_lanes, stalls=stalls)
    assert (trace.words.reshape(expected.shape) == expected).all()
    return trace


@pytest.mark.parametrize(("qgraph", "node", "folding"), LAYERS)
def test_equals_the_reference_with_and_without_stalls(qgraph, node, folding):
    q = inputs_of(qgraph, node)
    for stalls in STALLS.values():
        measured(folding, q, node.run(q), stalls)


@pytest.mark.parametrize(("qgraph", "node", "folding"), LAYERS)
def test_every_transfer_is_in_the_cycle_that_timing_says(qgraph, node, folding):
    q = inputs_of(qgraph, node)
    trace = measured(folding, q, node.run(q))
    source, sink = Source(len(trace.taken)), Sink()
    timing.run([source.process(), *folding.timing(), sink.process()])
    assert source.taken == trace.taken.tolist()
    # Zeros before an image that never comes leave as well.
    assert sink.taken[: len(trace.given)] == trace.given.tolist()
    assert len(sink.taken) - len(trace.given) < len(trace.given) // IMAGES
    assert len(sink.taken) == len(trace.given) or node.spec.kind == "zero_padding"


@pytest.mark.parametrize(("qgraph", "node", "folding"), LAYERS)
def test_takes_at_least_the_cycles_that_the_search_compares(qgraph, node, folding):
    words_in = np.prod(node.input_shape) // folding.i_lanes
    source, sink = Source(int(words_in) * IMAGES), Sink()
    timing.run([source.process(), *folding.timing(), sink.process()])
    per_image = int(np.prod(node.output_shape)) // folding.o_lanes
    done = sink.taken[per_image - 1 :: per_image]
    assert done[-1] - done[-2] >= folding.least_cycles


@pytest.mark.parametrize("qgraph", CASES["conv2d"][:1] + CASES["dense"][:1])
def test_multipliers_of_luts_give_the_same(qgraph):
    (node,) = (node for node in qgraph.nodes if node.spec.kind in ("conv2d", "dense"))
    q = inputs_of(qgraph, node)
    for folding in some_foldings(node)[2:4]:
        for other in softened(folding):
            measured(other, q, node.run(q))
