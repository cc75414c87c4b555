"""Whole pipelines of layers that move values and pool over everything."""

import pytest

from dnn2fpga.flow.engines import Pysim, Stalls
from dnn2fpga.flow.simulate import simulate
from dnn2fpga.hw.plan import plan
from dnn2fpga.kinds import FOLDINGS

from ..networks import Builder

NETWORKS = {
    "up and down": lambda: (
        Builder((4, 5, 2)).zeros(((1, 0), (0, 2))).pool((2, 2), (2, 2)).repeat((2, 3)).crop(((1, 0), (2, 2)))
        .conv(4, (2, 2)).permute(2, 1, 3).global_average().dense(3).softmax()
    ),
    "transposed": lambda: (
        Builder((3, 3, 2)).conv(4, (2, 2)).zeros(((0, 0), (0, 0)), (2, 2)).zeros(((1, 1), (1, 1))).conv(2, (3, 3))
        .reshape(-1, 1, 2).global_max(keepdims=True).reshape(2).dense(2)
    ),
    "a sequence": lambda: (
        Builder((9, 2)).zeros(((0, 0), (1, 1))).conv(4, (1, 3)).relu().repeat((1, 2)).permute(2, 1)
        .crop(((0, 0), (1, 1))).global_average(keepdims=True).flatten().dense(3)
    ),
}  # fmt: skip


@pytest.mark.parametrize("fps", [None, 1.0])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_pipeline_equals_the_reference_in_the_cycles_of_its_plan(name, fps):
    net = NETWORKS[name]()
    qgraph, x = net.quantized(), net.samples(5)
    made = plan(qgraph, FOLDINGS, fps=fps)
    flowing = simulate(made, qgraph, x, Pysim())
    assert flowing.mismatches == 0, flowing.first
    assert (flowing.latency_cycles, flowing.cycles_per_image) == (made.latency_cycles, made.cycles_per_image)
    stalled = simulate(made, qgraph, x, Pysim(), stalls=Stalls(0.5, 0.5, 3))
    assert stalled.mismatches == 0, stalled.first
