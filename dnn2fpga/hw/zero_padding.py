"""Zeros around an image and between its pixels: a walk over all places, most of which take a pixel."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.hdl import ValueLike

from ..quant.graph import QNode
from ..quant.ops.image import image_shape
from ..quant.ops.zero_padding import ZeroPadding
from . import counter
from .counter import Counter, counters
from .fixed import shape_of
from .moves import Mover, Moves
from .resources import Device, Resources
from .value_by_value import lane_choices


@dataclass(frozen=True)
class ZeroPaddingFolding(Moves):
    """Zeros as `spec` says, of which `zero` is the integer."""

    spec: ZeroPadding
    zero: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of what leaves."""
        return self.spec.size(*self.shape[:2])

    @cached_property
    def steps(self) -> tuple[np.ndarray, np.ndarray]:
        """Each place gives a pixel; those of the image take one."""
        pixels = self.spec.moved(np.ones((1, *self.shape[:2], 1), bool), 0)[0, ..., 0]
        return pixels, np.ones_like(pixels)

    def resources(self, device: Device) -> Resources:
        """What it takes of a chip, estimated."""
        height, width = self.size
        walk = counter.resources(self.parts, width, height)
        return walk + walk + Resources(luts=8 + self.i_lanes * self.i.width)

    def build(self) -> "ZeroPadder":
        """The component."""
        return ZeroPadder(self)


def foldings(node: QNode) -> Iterator[ZeroPaddingFolding]:
    """As many lanes as divide the channels."""
    shape = image_shape(node.input_shape)
    for n, _ in lane_choices(node):
        yield ZeroPaddingFolding(shape_of(node.i), shape, n, node.spec, node.i.zero)


class ZeroPadder(Mover[ZeroPaddingFolding]):
    """A stream of words with zeros put in where no pixel is; without a clock's delay."""

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        folding, step = self.folding, Signal()
        height, width = folding.size
        part, x, y = counters(m, step, ("part", folding.parts), ("x", width), ("y", height))
        takes = Signal()
        across = self._pixel_at(m, "x", x, 1, step & part.last)
        down = self._pixel_at(m, "y", y, 0, step & part.last & x.last)
        m.d.comb += takes.eq(across & down)
        zeros = Cat(Const(folding.zero, folding.i) for _ in range(folding.i_lanes))
        self.move(m, step, takes, Const(1, 1), Mux(takes, self.i.payload.as_value(), zeros))
        return m

    def _pixel_at(self, m: Module, name: str, place: Counter, axis: int, step: ValueLike) -> Value:
        """Whether a place along an axis is one of a pixel."""
        spec = self.folding.spec
        before, stride = spec.margins[axis][0], spec.strides[axis]
        end = before + spec.stretched(*self.folding.shape[:2])[axis]
        to_pixel = Signal(range(max(before + 1, stride)), init=before, name=f"to_pixel_{name}")
        with m.If(step):
            m.d.sync += to_pixel.eq(Mux(to_pixel == 0, stride - 1, to_pixel - 1))
            with m.If(place.last):
                m.d.sync += to_pixel.eq(before)
        return (to_pixel == 0) & (place.at < end)
