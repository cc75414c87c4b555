"""Every kind of number through the flow: kept and read again, planned, written as Verilog, simulated, exact."""

from __future__ import annotations

import pytest

import dnn2fpga as d2f
from dnn2fpga import LayerBits
from dnn2fpga.flow.engines import ENGINES

from .networks import Builder

FIRST, MIDDLE, LAST = "conv2d_0", "conv2d_2", "dense_6"
NUMBERS = {
    "16-bit": {"bits": 16},
    "5-bit asymmetric": {"bits": 5, "symmetric": False, "calibration": "mse"},
    "power of two": {"power_of_two": True},
    "one scale a layer": {"bits": 4, "per_channel": False},
    "ternary": {"weight_bits": 2},
    "binary": {"weight_bits": 1},
    "XNOR": {"sign": True, "layers": {FIRST: LayerBits(8, 1), MIDDLE: LayerBits(1, 8)}},
    "DoReFa": {"layers": {FIRST: LayerBits(8, 1), MIDDLE: LayerBits(1, 2)}},
    "float32 convolutions": {"floating": frozenset({FIRST, MIDDLE})},
    "bfloat16 convolutions": {"floating": frozenset({FIRST, MIDDLE}), "float_format": "bfloat16"},
    "float16 in the middle": {"floating": frozenset({MIDDLE}), "float_format": "float16"},
    "float32 at the end": {"floating": frozenset({LAST})},
    "all in bfloat16": {"floating": frozenset({FIRST, MIDDLE, LAST}), "float_format": "bfloat16"},
}


@pytest.fixture(scope="module", params=NUMBERS)
def case(request):
    """A small network in one kind of numbers, and images for it."""
    builder = Builder((6, 5, 1), seed=3).conv(2, (3, 3), (1, 1), "same").relu().conv(3, (2, 2)).relu()
    builder.pool((2, 2), (2, 2)).flatten().dense(4).softmax()
    return d2f.quantize(builder.graph(), builder.samples(20), **NUMBERS[request.param]), builder.samples(3)


def planned(qgraph):
    """Slow and small where it may be: floats take room."""
    return d2f.Design(qgraph, board="ulx3s_85f", fps=20_000)


def test_simulated_it_is_exact(case):
    qgraph, x = case
    result = planned(qgraph).simulate(x, ENGINES["pysim"])
    assert result.mismatches == 0, result.first


def test_kept_and_read_again_it_is_the_same(case, tmp_path):
    qgraph, x = case
    d2f.save(qgraph, tmp_path / "q")
    kept = d2f.load(tmp_path / "q")
    assert (kept.run(x) == qgraph.run(x)).all()
    assert [(node.i, node.o) for node in kept.nodes] == [(node.i, node.o) for node in qgraph.nodes]


def test_it_is_written_as_verilog(case):
    if missing := ENGINES["icarus"].missing():  # which needs what Verilog needs, and more
        pytest.skip(missing)
    design = planned(case[0])
    assert f"module {design.MODULE}(" in design.verilog()


@pytest.mark.parametrize(
    ("engine", "numbers"),
    [
        ("cxxrtl", "XNOR"), ("icarus", "XNOR"), ("verilator", "XNOR"),
        ("cxxrtl", "float16 in the middle"), ("icarus", "float16 in the middle"),
    ],
)  # fmt: skip
def test_the_other_engines_agree(engine, numbers):
    if missing := ENGINES[engine].missing():
        pytest.skip(missing)
    builder = Builder((5, 5, 1), seed=4).conv(2, (3, 3)).relu().conv(2, (2, 2)).relu().flatten()
    x = builder.dense(3).samples(3)
    qgraph = d2f.quantize(builder.graph(), x, **NUMBERS[numbers])
    result = planned(qgraph).simulate(x, ENGINES[engine])
    assert result.mismatches == 0, result.first
