"""Whole pipelines of layers that move values and pool over everything."""

from dataclasses import replace

import numpy as np
import pytest
from amaranth import Module, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from dnn2fpga.flow.engines import Pysim, Stalls
from dnn2fpga.flow.simulate import simulate
from dnn2fpga.hw import timing
from dnn2fpga.hw.cropping import CroppingFolding
from dnn2fpga.hw.global_pool import GlobalPoolFolding, Mean
from dnn2fpga.hw.permute import PermuteFolding
from dnn2fpga.hw.plan import GENERIC, plan
from dnn2fpga.hw.resources import Device, Resources
from dnn2fpga.hw.stream import Narrow, connect, lanes
from dnn2fpga.hw.timing import Sink, Source
from dnn2fpga.hw.up_sampling import UpSamplingFolding
from dnn2fpga.hw.zero_padding import ZeroPaddingFolding
from dnn2fpga.kinds import FOLDINGS
from dnn2fpga.quant.ops.cropping import Cropping
from dnn2fpga.quant.ops.zero_padding import ZeroPadding

from ..networks import Builder

ICE40 = Device("small", "ice40", Resources(5280, 5280, 8, 30))

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


class HeldUp(wiring.Component):
    """A layer of one value a word, and behind it a reader that takes a word in four cycles."""

    def __init__(self, layer):
        self.layer = layer
        super().__init__({"i": In(lanes(unsigned(8), 1)), "o": Out(lanes(unsigned(8), 1))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.layer, m.submodules.narrow = layer, narrow = self.layer, Narrow(unsigned(8), 1, 4)
        connect(m, wiring.flipped(self.i), layer.i)
        connect(m, layer.o, narrow.i)
        connect(m, narrow.o, wiring.flipped(self.o))
        return m


U8, IMAGES = unsigned(8), 5
LAYERS = {
    # Two tensors at most wait in there.
    "permute": (PermuteFolding(U8, (3, 4), (1, 0), 1), 12),
    "zeros": (ZeroPaddingFolding(U8, (2, 3, 2), 1, ZeroPadding(((1, 0), (2, 1)), (1, 2))), 12),
    "crop": (CroppingFolding(U8, (3, 4, 1), 1, Cropping(((1, 0), (0, 2)))), 12),
    "repeat": (UpSamplingFolding(U8, (2, 3, 2), 1, (2, 3)), 12),
    "max": (GlobalPoolFolding(U8, 2, 3, 1), 6),
    "average": (GlobalPoolFolding(U8, 2, 3, 1, Mean(1, 0, 1, U8)), 6),
}


@pytest.mark.parametrize("name", LAYERS)
def test_timing_holds_where_the_reader_is_slow(name):
    """The contract's own check never holds a layer up."""
    folding, size = LAYERS[name]
    words = np.arange(IMAGES * size).reshape(-1, 1)
    source, sink = Source(words.size), Sink()
    timing.run([source.process(), *folding.timing(), Narrow.timing(4), sink.process()])
    trace = Pysim().run(HeldUp(folding.build()), words, len(sink.taken))
    assert source.taken == trace.taken.tolist()
    assert sink.taken == trace.given.tolist()


@pytest.mark.parametrize("name", LAYERS)
def test_lanes_that_do_not_divide_are_refused(name):
    folding, _ = LAYERS[name]
    for n in (0, 5):
        with pytest.raises(ValueError, match=f"lanes must divide [0-9]+( channels)?, not be {n}"):
            replace(folding, i_lanes=n)


@pytest.mark.parametrize("device", [GENERIC, ICE40], ids=lambda device: device.family)
@pytest.mark.parametrize("name", LAYERS)
def test_what_is_wider_takes_more(name, device):
    """Of LUTs, flip-flops and memory together: a memory may take the place of the others."""
    folding, _ = LAYERS[name]
    narrow, wide = (replace(folding, i=unsigned(bits)).resources(device) for bits in (8, 20))
    assert wide.luts + wide.ffs + wide.brams > narrow.luts + narrow.ffs + narrow.brams or name == "crop"
    assert narrow.dsps == wide.dsps == 0
    assert narrow.luts > 0
