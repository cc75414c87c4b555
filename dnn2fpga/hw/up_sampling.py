"""Upsampling: a row is kept in a memory while it is given for the first time, and given again from there."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from amaranth import Const, Module, Mux, Signal

from ..quant.graph import QNode
from ..quant.ops.image import image_shape
from . import buffer, counter
from .counter import counters
from .fixed import shape_of
from .moves import Mover, Moves
from .resources import Device, Resources
from .value_by_value import lane_choices


@dataclass(frozen=True)
class UpSamplingFolding(Moves):
    """Each pixel given `times` (down, across)."""

    times: tuple[int, int]

    @cached_property
    def steps(self) -> tuple[np.ndarray, np.ndarray]:
        """Each step gives a pixel; the first of each pixel's takes it."""
        (height, width, _), (down, across) = self.shape, self.times
        first = np.zeros((height * down, width * across), bool)
        first[::down, ::across] = True
        return first, np.ones_like(first)

    @property
    def kept(self) -> int:
        """Words in the memory: those of a row, or of a pixel if rows are given once."""
        return self.parts * (self.shape[1] if self.times[0] > 1 else 1)

    @property
    def memory_bits(self) -> int:
        """Bits of the memory."""
        return self.kept * self.i_lanes * self.i.width

    def resources(self, device: Device) -> Resources:
        """What it takes of a chip, estimated."""
        (down, across), word = self.times, self.i_lanes * self.i.width
        walk = counter.resources(self.parts, across, self.shape[1], down, self.kept)
        return walk + Resources(luts=8 + word) + buffer.resources(self.kept, word, device)

    def build(self) -> "UpSampler":
        """The component."""
        return UpSampler(self)


def foldings(node: QNode) -> Iterator[UpSamplingFolding]:
    """As many lanes as divide the channels."""
    shape = image_shape(node.input_shape)
    for n, _ in lane_choices(node):
        yield UpSamplingFolding(shape_of(node.i), shape, n, node.spec.times)


class UpSampler(Mover[UpSamplingFolding]):
    """A stream of words, those of each pixel and of each row given several times; the first without a delay."""

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        folding, step = self.folding, Signal()
        width, (down, across) = folding.shape[1], folding.times
        part, again_x, _, again_y = counters(
            m, step, ("part", folding.parts), ("again_x", across), ("x", width), ("again_y", down)
        )
        m.submodules.kept = kept = buffer.buffer(folding.kept, folding.i_lanes * folding.i.width)
        write = kept.write_port()
        # Only words that make up what is kept alone are given again the cycle after they came.
        at_once = folding.kept == 1 or (folding.parts == 1 and across > 1)
        read = kept.read_port(transparent_for=(write,) if at_once else ())

        first = Signal()
        at, following = Signal(range(folding.kept)), Signal(range(folding.kept))
        with m.If(~part.last):
            m.d.comb += following.eq(at + 1)
        with m.Elif(~again_x.last):
            m.d.comb += following.eq(at - (folding.parts - 1))
        with m.Else():
            m.d.comb += following.eq(Mux(at == folding.kept - 1, 0, at + 1))
        with m.If(step):
            m.d.sync += at.eq(following)
        m.d.comb += [
            first.eq((again_x.at == 0) & (again_y.at == 0)),
            write.addr.eq(at),
            write.data.eq(self.i.payload.as_value()),
            write.en.eq(step & first),
            read.addr.eq(following),
            read.en.eq(step),
        ]
        self.move(m, step, first, Const(1, 1), Mux(first, self.i.payload.as_value(), read.data))
        return m
