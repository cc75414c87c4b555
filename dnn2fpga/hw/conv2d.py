"""2-D convolution: a sliding window before a folded sum of products."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain

from amaranth import C, Cat, Module, Shape, Value
from amaranth.lib import wiring

from ..quant.graph import QNode
from ..quant.ops.window import Placement
from . import dense, float_dense, window
from .dense import DenseFolding
from .float_dense import FloatDenseFolding, FloatSums
from .layer import LayerComponent, lower_bound
from .resources import Device, Resources, register
from .stream import MasterSlave, Narrow, connect
from .sums import Sums
from .timing import Buffer, Process
from .unrolled import UnrolledFolding, unrolled
from .window import SlidingWindow


@dataclass(frozen=True, eq=False)
class Conv2DFolding:
    """A convolution, its windows at `placement`, its sums folded as `folding`. One pixel a word comes in.

    Of several blocks of channels, as many as `folding` works on at once come in a word. `pad` is the integer that
    stands for 0 around the image.
    """

    placement: Placement
    folding: DenseFolding | FloatDenseFolding | UnrolledFolding
    pad: int = 0

    @property
    def i(self) -> Shape:
        """Shape of an input value."""
        return self.folding.i

    @property
    def o(self) -> Shape:
        """Shape of an output value."""
        return self.folding.o

    @property
    def i_lanes(self) -> int:
        """The channels of a pixel that are worked on at once."""
        return self.placement.shape[2] // self.folding.rounds

    @property
    def o_lanes(self) -> int:
        """Output channels a word."""
        return self.folding.o_lanes

    @property
    def at_once(self) -> bool:
        """Whether a window is taken whole, and room for its sums booked before: nothing is dealt out, none is held."""
        return isinstance(self.folding, UnrolledFolding)

    @property
    def least_cycles(self) -> int:
        """One step a clock; or one place of the padded image a clock."""
        height, width = self.placement.padded
        return max(self.folding.least_cycles, height * width * self.folding.rounds)

    @property
    def multipliers(self) -> int:
        """Multipliers in the array."""
        return self.folding.multipliers

    @property
    def memory_bits(self) -> int:
        """Bits of weights and of the window's memories."""
        return self.folding.memory_bits + window.memory_bits(self.placement, self.i.width, self.folding.rounds)

    def resources(self, device: Device) -> Resources:
        """What it takes of a chip, estimated."""
        folding = self.folding
        held = Resources() if self.at_once else register(folding.words * folding.i_lanes * self.i.width)
        if folding.words > 1:  # the window moves on, part by part
            held += Resources(luts=held.ffs)
            held += MasterSlave.resources(folding.i_lanes * self.i.width)
        taken = window.resources(self.placement, self.i.width, device, folding.rounds, late=self.at_once)
        return taken + held + folding.resources(device)

    def at_least(self, device: Device) -> Resources | None:
        """Less than it takes, where that takes long to work out."""
        return lower_bound(self.folding, device)

    def timing(self) -> Iterator[Process | Buffer]:
        """Its timed twin."""
        yield window.timing(self.placement, self.folding.rounds, late=self.at_once)
        if self.folding.words > 1 and isinstance(self.folding, DenseFolding):
            yield from self.folding.timing_in_parts()
            return
        if not self.at_once:
            yield Narrow.timing(self.folding.words)
        if self.folding.words > 1:
            yield MasterSlave.timing()
        yield from self.folding.timing()

    def build(self) -> "Conv2D":
        """The component."""
        return Conv2D(self)

    def with_fewer_dsps(self, excess: int) -> "Iterator[Conv2DFolding]":
        """With multipliers made of LUTs."""
        for folding in self.folding.with_fewer_dsps(excess):
            yield replace(self, folding=folding)

    def with_pairs(self, device: Device) -> "Iterator[Conv2DFolding]":
        """With two products a multiplier, where that can be."""
        if isinstance(self.folding, DenseFolding):
            for folding in self.folding.with_pairs(device):
                yield replace(self, folding=folding)


def foldings(node: QNode) -> Iterator[Conv2DFolding]:
    """Every folding of an integer layer that is worth a look."""
    placement = node.spec.placement(node.input_shape)
    sums = Sums.of(node, node.spec.groups)
    every: Iterator[DenseFolding | UnrolledFolding] = chain(dense.sum_foldings(sums), unrolled(sums, window.LATE))
    for folding in every:
        yield Conv2DFolding(placement, folding, node.i.zero)


def float_foldings(node: QNode) -> Iterator[Conv2DFolding]:
    """Every folding of a layer in floating point that is worth a look."""
    placement = node.spec.placement(node.input_shape)
    for folding in float_dense.sum_foldings(FloatSums.of(node)):
        yield Conv2DFolding(placement, folding, node.i.zero)


class Conv2D(LayerComponent[Conv2DFolding]):
    """A convolution over a stream of pixels: sliding window, the window dealt out in parts, sums of products.

    While the sums of one window are formed the next is gathered. An unrolled sum takes a window whole, every clock.
    """

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        placement, folding = self.folding.placement, self.folding.folding
        lanes_in = folding.words * folding.i_lanes
        m.submodules.window = sliding = SlidingWindow(
            folding.i, placement, self.folding.pad, folding.rounds, late=self.folding.at_once
        )
        m.submodules.sums = sums = folding.build()
        connect(m, wiring.flipped(self.i), sliding.i)
        connect(m, sums.o, wiring.flipped(self.o))
        dealt = Cat(*self._dealt(list(sliding.o.payload)))
        if self.folding.at_once:
            m.d.comb += [
                sums.i.payload.as_value().eq(dealt),
                sums.i.valid.eq(sliding.o.valid),
                sliding.o.ready.eq(sums.i.ready),
            ]
            return m
        m.submodules.parts = parts = Narrow(folding.i, lanes_in, folding.words)
        if folding.words > 1:
            # Or else whether the window may move on would hang on what the sums are at.
            m.submodules.part = part = MasterSlave(folding.i, folding.i_lanes)
            connect(m, parts.o, part.i)
            connect(m, part.o, sums.i)
        else:
            connect(m, parts.o, sums.i)
        m.d.comb += [
            parts.i.payload.as_value().eq(dealt),
            parts.i.valid.eq(sliding.o.valid),
            sliding.o.ready.eq(parts.i.ready),
        ]
        return m

    def _dealt(self, values: list[Value]) -> list[Value]:
        """A window's values, channels innermost, in the order in which words want them: block by block in each word.

        Blocks that do not fill their last word are filled up with zeros.
        """
        folding = self.folding.folding
        k, inputs, blocks = folding.sums.kernel.shape[0], folding.inputs, folding.parallel
        own = (
            len(values) // blocks // (self.folding.placement.window.kernel[0] * self.folding.placement.window.kernel[1])
        )
        zero = C(0, folding.i)
        return [
            values[at // own * own * blocks + block * own + at % own] if at < k else zero
            for word in range(folding.words)
            for block in range(blocks)
            for at in range(word * inputs, (word + 1) * inputs)
        ]
