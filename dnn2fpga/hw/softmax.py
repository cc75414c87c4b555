"""The end of a classifier: its logits as they are, then the index of the greatest."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from amaranth import Module, Mux, Shape, Signal

from ..quant.graph import QNode
from .fixed import shape_of
from .layer import LayerComponent, NoMultipliers
from .resources import Device, Resources
from .timing import Buffer, Peek, Pop, Process, Put


@dataclass(frozen=True)
class WinnerFolding(NoMultipliers):
    """The winner of each of `rows` of `classes` logits of shape `i`, one a word."""

    i: Shape
    classes: int
    rows: int = 1
    i_lanes = 1
    o_lanes = 1
    memory_bits = 0

    @property
    def o(self) -> Shape:
        """Shape of an output value: unchanged."""
        return self.i

    @property
    def least_cycles(self) -> int:
        """Of each row the logits, a pause, then the winner."""
        return self.rows * (self.classes + 2)

    def resources(self, device: Device) -> Resources:
        """What it takes of a chip, estimated."""
        index = self.classes.bit_length()
        return Resources(luts=2 * self.i.width + 4 * index, ffs=2 * self.i.width + 3 * index + 2)

    def timing(self) -> Iterator[Process | Buffer]:
        """Its timed twin."""
        yield self._words()

    def _words(self) -> Process:
        at = -1
        while True:
            for _ in range(self.classes):
                at = yield Put(max(at + 1, (yield Peek())))
                yield Pop(at)
            at = yield Put(at + 2)

    def build(self) -> "Winner":
        """The component."""
        return Winner(self)


def foldings(node: QNode) -> Iterator[WinnerFolding]:
    """The one folding there is."""
    yield WinnerFolding(shape_of(node.i), node.input_shape[-1], math.prod(node.input_shape[:-1]))


class Winner(LayerComponent[WinnerFolding]):
    """Passes each row's logits on as they come, one a word, then gives the index of the greatest.

    Of equal ones the first wins, as in `numpy.argmax`. Logits pass in the same cycle; the winner leaves 2 cycles after
    the last of them, since each is compared the cycle after it passed.
    """

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        shape, classes = self.folding.i, self.folding.classes
        logit = self.i.payload[0]
        at, winner = Signal(range(classes + 1)), Signal(range(classes))
        greatest = Signal(shape, reset_less=True)
        at_winner = at == classes
        passed, last, last_at = Signal(), Signal(shape, reset_less=True), Signal(range(classes + 1))
        m.d.comb += [
            self.o.payload[0].eq(Mux(at_winner, winner, logit)),
            self.o.valid.eq((at_winner & ~passed) | (~at_winner & self.i.valid)),
            self.i.ready.eq(self.o.ready & ~at_winner),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += at.eq(Mux(at_winner, 0, at + 1))
        m.d.sync += [passed.eq(self.i.valid & self.i.ready), last.eq(logit), last_at.eq(at)]
        with m.If(passed & ((last_at == 0) | (last > greatest))):
            m.d.sync += [greatest.eq(last), winner.eq(last_at)]
        return m
