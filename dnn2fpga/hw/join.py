"""What stands between two layers: master-slave registers, maybe a queue, and a change of lanes where they differ."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import lcm

from amaranth import Module, Shape
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from . import queue
from .queue import CreditQueue
from .resources import Device, Resources
from .stream import MasterSlave, Narrow, Widen, connect, lanes
from .timing import Buffer, Process, one_a_clock


@dataclass(frozen=True)
class JoinFolding:
    """Between a layer that gives `i_lanes` values of `shape` a word and one that takes `o_lanes`.

    Where neither divides the other, words are gathered until both do. Where branches meet the shorter one has a queue
    of `depth` words, 0 for none. Between layers that are one pipeline it has no `registers`, and is nothing but wires.
    """

    shape: Shape
    i_lanes: int
    o_lanes: int
    depth: int = 0
    registers: bool = True

    @property
    def only_registers(self) -> bool:
        """Whether words pass as they are, by no queue."""
        return self.i_lanes == self.o_lanes and not self.depth

    @property
    def widen(self) -> int:
        """Words in that make one."""
        return lcm(self.i_lanes, self.o_lanes) // self.i_lanes

    @property
    def narrow(self) -> int:
        """Words out that one makes."""
        return lcm(self.i_lanes, self.o_lanes) // self.o_lanes

    def resources(self, device: Device) -> Resources:
        """What it takes of a chip, estimated."""
        width = self.shape.width
        taken = MasterSlave.resources(self.i_lanes * width) if self.registers else Resources()
        if self.depth:
            taken += queue.resources(self.depth, self.i_lanes * width, device)
        if self.widen > 1:
            taken += Widen.resources(self.i_lanes * width, self.widen)
        if self.narrow > 1:
            taken += Resources(luts=self.narrow * self.o_lanes * width, ffs=self.narrow * self.o_lanes * width)
        return taken

    def timing(self) -> Iterator[Process | Buffer]:
        """Its timed twin."""
        if self.registers:
            yield MasterSlave.timing()
        if self.depth:
            yield one_a_clock()
            yield queue.timing(self.depth, 0)
        if self.widen > 1:
            yield Widen.timing(self.widen)
        if self.narrow > 1:
            yield Narrow.timing(self.narrow)

    def build(self) -> "Join":
        """The component."""
        return Join(self)


class Join(wiring.Component):
    """Master-slave registers, a queue, then words gathered and dealt out again as the next layer wants them."""

    def __init__(self, folding: JoinFolding) -> None:
        self.folding = folding
        super().__init__(
            {
                "i": In(lanes(folding.shape, folding.i_lanes)),
                "o": Out(lanes(folding.shape, folding.o_lanes)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        folding = self.folding
        stream, n = wiring.flipped(self.i), folding.i_lanes
        if folding.registers:
            m.submodules.registers = registers = MasterSlave(folding.shape, n)
            connect(m, stream, registers.i)
            stream = registers.o
        if folding.depth:
            m.submodules.queue = waiting = CreditQueue(folding.shape, n, folding.depth)
            waiting.book_each(m, stream, 0)
            m.d.comb += waiting.word.eq(stream.payload)
            stream = waiting.o
        if folding.widen > 1:
            m.submodules.widen = widen = Widen(folding.shape, n, folding.widen)
            connect(m, stream, widen.i)
            stream, n = widen.o, n * folding.widen
        if folding.narrow > 1:
            m.submodules.narrow = narrow = Narrow(folding.shape, n, folding.narrow)
            connect(m, stream, narrow.i)
            stream = narrow.o
        connect(m, stream, wiring.flipped(self.o))
        return m
