"""Any function of one value, looked up in a table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from amaranth import Module, Shape, Signal, Value
from amaranth.lib import memory, wiring

from ..quant.graph import QNode
from . import deal, queue
from .fixed import shape_of
from .layer import LayerComponent, NoMultipliers
from .queue import CreditQueue
from .resources import Device, Resources
from .stream import connect
from .value_by_value import Pipelined, ValueByValue, lane_choices

LOOK_UP = 2
"""Cycles of `look_up`: block RAM is slow, and has a second register behind it."""


@dataclass(frozen=True, eq=False)
class TableFolding(ValueByValue, Pipelined, NoMultipliers):
    """`table` looked up for `size` values of shape `i` a tensor, `i_lanes` a word, a copy of it for every lane.

    It holds 2^width integers of shape `o`; negative values wrap to its end. Raises `ValueError` on another length.
    """

    table: np.ndarray
    i: Shape
    o: Shape
    i_lanes: int
    size: int
    latency = LOOK_UP

    def __post_init__(self) -> None:
        if len(self.table) != 1 << self.i.width:
            raise ValueError(f"table must hold {1 << self.i.width} integers for {self.i!r}, not {len(self.table)!r}")

    @property
    def memory_bits(self) -> int:
        """Bits of all copies."""
        return self.i_lanes * len(self.table) * self.o.width

    def resources(self, device: Device) -> Resources:
        """What it takes of a chip, estimated."""
        taken = deal.resources(len(self.table), self.o.width, device) * self.i_lanes
        return taken + queue.resources(self.depth, self.i_lanes * self.o.width, device)

    def build(self) -> "Table":
        """The component."""
        return Table(self)


def foldings(node: QNode) -> Iterator[TableFolding]:
    """As many lanes as the values divide into."""
    for n, size in lane_choices(node):
        yield TableFolding(node.arrays["table"], shape_of(node.i), shape_of(node.o), n, size)


class Table(LayerComponent[TableFolding]):
    """A word of entries of the table a clock, through a queue (`hw/queue.py`)."""

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        folding, table = self.folding, self.folding.table.tolist()
        m.submodules.queue = results = CreditQueue(folding.o, folding.o_lanes, folding.depth)
        connect(m, results.o, wiring.flipped(self.o))
        results.book_each(m, wiring.flipped(self.i), folding.latency)
        for lane, x in enumerate(self.i.payload):
            m.d.comb += results.word[lane].eq(look_up(m, f"{lane}", table, folding.o, x))
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
