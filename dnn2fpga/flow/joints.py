"""A module of a netlist as Yosys writes it in JSON: its cells, and what reads each of its bits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

Bit = int | str
Cell = dict[str, Any]


class Pin(NamedTuple):
    """Where a cell is joined to a net: by bit number `at` of its port `port`."""

    cell: Cell
    port: str
    at: int

    @property
    def bit(self) -> Bit:
        """What it is joined to: the number of a net, or a constant as text."""
        bit: Bit = self.cell["connections"][self.port][self.at]
        return bit

    def join(self, bit: Bit) -> None:
        """Join it to something else."""
        self.cell["connections"][self.port][self.at] = bit


class Joints:
    """What reads each bit of a module: `readers`, the pins of its cells, and `outside`, the bits of its own ports.

    A change is made in the module itself.
    """

    def __init__(self, module: dict[str, Any]) -> None:
        self._module = module
        self._names = {id(cell): name for name, cell in module["cells"].items()}
        self.readers: defaultdict[Bit, list[Pin]] = defaultdict(list)
        self.outside: set[Bit] = {bit for port in module["ports"].values() for bit in port["bits"]}
        for cell in module["cells"].values():
            self._enter(cell)
        named = (bit for net in module["netnames"].values() for bit in net["bits"])
        self._last = max((bit for bit in (*named, *self.readers) if isinstance(bit, int)), default=1)

    def _enter(self, cell: Cell) -> None:
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] != "output":
                for at, bit in enumerate(bits):
                    self.readers[bit].append(Pin(cell, port, at))

    def is_read(self, bit: Bit) -> bool:
        """Whether anything reads a bit."""
        return bool(self.readers[bit]) or bit in self.outside

    def cells(self, kind: str) -> list[Cell]:
        """The cells of a kind."""
        return [cell for cell in self._module["cells"].values() if cell["type"] == kind]

    def name(self, cell: Cell) -> str:
        """The name of a cell."""
        return self._names[id(cell)]

    def new_bit(self) -> int:
        """The number of a net that was not there."""
        self._last += 1
        return self._last

    def add(self, name: str, cell: Cell) -> None:
        """Add a cell, under a name that is free."""
        assert name not in self._module["cells"], name
        self._module["cells"][name] = cell
        self._names[id(cell)] = name
        self._enter(cell)

    def remove(self, cells: Sequence[Cell]) -> None:
        """Take cells away; nothing drives what they drove."""
        gone = {id(cell) for cell in cells}
        for bit in {bit for cell in cells for bits in cell["connections"].values() for bit in bits}:
            self.readers[bit] = [pin for pin in self.readers[bit] if id(pin.cell) not in gone]
        for cell in cells:
            del self._module["cells"][self._names.pop(id(cell))]

    def move(self, pins: Sequence[Pin], bit: Bit) -> None:
        """Let pins of one net read another."""
        moved = {(id(pin.cell), pin.port, pin.at) for pin in pins}
        left = pins[0].bit
        self.readers[left] = [pin for pin in self.readers[left] if (id(pin.cell), pin.port, pin.at) not in moved]
        for pin in pins:
            pin.join(bit)
        self.readers[bit] += pins
