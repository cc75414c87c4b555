"""Any function of one value, looked up in a table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from amaranth import Module, Shape, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..quant.graph import QNode
from . import deal, queue
from .fixed import shape_of
from .layer import NoMultipliers
from .queue import CreditQueue
from .resources import Device, Resources
from .stream import connect, lanes
from .timing import Buffer, Process, one_a_clock
from .value_by_value import ValueByValue, lane_choices

LOOK_UP = 2
"""Cycles of `look_up`: block RAM is slow, and has a second register behind it."""


@dataclass(frozen=True, eq=False)
class TableFolding(ValueByValue, NoMultipliers):
    """`table` looked up for `size` values of shape `i` a tensor, `i_lanes` a word, a copy of it for every lane."""

    table: np.ndarray
    i: Shape
    o: Shape
    i_lanes: int
    size: int

    @property
    def memory_bits(self) -> int:
        """Bits of all copies."""
        return self.i_lanes * len(self.table) * self.o.width

    @property
    def depth(self) -> int:
        """Room in the queue."""
        return queue.depth_for(Table.latency, 1, 1)

    def resources(self, device: Device) -> Resources:
        """What it takes of a chip, estimated."""
        taken = deal.resources(len(self.table), self.o.width, device) * self.i_lanes
        return taken + queue.resources(self.depth, self.i_lanes * self.o.width, device)

    def timing(self) -> Iterator[Process | Buffer]:
        """Its timed twin."""
        yield one_a_clock()
        yield queue.timing(self.depth, Table.latency)

    def build(self) -> "Table":
        """The component."""
        return Table(self.table.tolist(), self.i, self.o, self.i_lanes)


def foldings(node: QNode) -> Iterator[TableFolding]:
    """As many lanes as the values divide into."""
    for n, size in lane_choices(node):
        yield TableFolding(node.arrays["table"], shape_of(node.i), shape_of(node.o), n, size)


class Table(wiring.Component):
    """`table[x]` of `n` values of shape `i` a word, a word a clock; negative `x` wrap to the table's end.

    `table` lists 2^width integers of shape `o`. The result sets out 2 cycles after `x` came, and leaves through a
    queue (`hw/queue.py`).
    """

    latency = LOOK_UP

    def __init__(self, table: Sequence[int], i: Shape, o: Shape, n: int) -> None:
        if len(table) != 1 << i.width:
            raise ValueError(f"table must hold {1 << i.width} integers for {i!r}, not {len(table)!r}")
        self.table = table
        super().__init__({"i": In(lanes(i, n)), "o": Out(lanes(o, n))})

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        depth = queue.depth_for(self.latency, 1, 1)
        o = self.o.payload.shape()
        m.submodules.queue = results = CreditQueue(o.elem_shape, o.length, depth)
        connect(m, results.o, wiring.flipped(self.o))
        results.book_each(m, wiring.flipped(self.i), self.latency)
        for lane, x in enumerate(self.i.payload):
            m.d.comb += results.word[lane].eq(look_up(m, f"{lane}", self.table, o.elem_shape, x))
        return m


def look_up(m: Module, name: str, table: Sequence[int], shape: Shape, x: Value) -> Signal:
    """`table[x]`, of integers of `shape`, `LOOK_UP` cycles later."""
    style = "block" if deal.in_block(len(table), shape.width) else "logic"
    m.submodules[f"table{name}"] = rom = memory.Memory(
        shape=shape, depth=len(table), init=table, attrs={"rom_style": style}
    )
    port = rom.read_port()
    m.d.comb += port.addr.eq(x)
    found = Signal(shape, name=f"found{name}", reset_less=True)
    m.d.sync += found.eq(port.data)
    return found
