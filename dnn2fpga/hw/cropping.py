"""Cropping: the words of the margins are taken, and not given."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from amaranth import Const, Module, Signal

from ..quant.graph import QNode
from ..quant.ops.cropping import Cropping
from ..quant.ops.image import image_shape
from . import counter
from .counter import counters
from .fixed import shape_of
from .moves import Mover, Moves
from .resources import Device, Resources
from .value_by_value import lane_choices


@dataclass(frozen=True)
class CroppingFolding(Moves):
    """Margins cut off as `spec` says."""

    spec: Cropping

    @cached_property
    def steps(self) -> tuple[np.ndarray, np.ndarray]:
        """Each pixel is taken; those inside are given."""
        height, width, _ = self.shape
        inside = np.zeros((1, height, width, 1), bool)
        self.spec.moved(inside, 0)[...] = True
        return np.ones_like(inside[0, ..., 0]), inside[0, ..., 0]

    def resources(self, device: Device) -> Resources:
        """What it takes of a chip, estimated."""
        height, width, _ = self.shape
        walk = counter.resources(self.parts, width, height)
        return walk + Resources(luts=walk.luts + 4)

    def build(self) -> "Cropper":
        """The component."""
        return Cropper(self)


def foldings(node: QNode) -> Iterator[CroppingFolding]:
    """As many lanes as divide the channels."""
    shape = image_shape(node.input_shape)
    for n, _ in lane_choices(node):
        yield CroppingFolding(shape_of(node.i), shape, n, node.spec)


class Cropper(Mover[CroppingFolding]):
    """A stream of words without those of the margins; without a clock's delay."""

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        folding, step = self.folding, Signal()
        (height, width, _), ((top, _), (left, _)) = folding.shape, folding.spec.margins
        down, across = folding.spec.size(height, width)
        _, x, y = counters(m, step, ("part", folding.parts), ("x", width), ("y", height))
        inside = Signal()
        m.d.comb += inside.eq((x.at >= left) & (x.at < left + across) & (y.at >= top) & (y.at < top + down))
        self.move(m, step, Const(1, 1), inside, self.i.payload.as_value())
        return m
