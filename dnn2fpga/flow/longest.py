"""The longest path of a placed ECP5 design, by where its cells are: nextpnr tells it only of what it places itself."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from math import inf
from typing import Any

from .joints import Bit, Cell

# Delays in ps, of speed grade 6. How much faster a change makes a design is told by the ratio of two estimates.
STARTS = {"TRELLIS_FF": 525, "MULT18X18D": 730, "DP16KD": 5730}
"""From the clock to an output."""
OUTPUT_REGISTER = 900
"""The same of a block RAM that has one."""
LUT, INTO_CARRY, CARRY, OUT_OF_CARRY = 240, 450, 36, 440

NO_PATH = re.compile(r"W(CK|RE|D|AD\d)|CLK[AB0-3]?")
"""Inputs of a LUT that only write to it, and clocks."""

_BEL = re.compile(r"X(\d+)/Y(\d+)/")

Tile = tuple[int, int]


class Places:
    """Where the cells of a module are that nextpnr wrote, placed, and what drives and reads its nets.

    Each port of a placed cell is one bit. Constants are left out, for they are everywhere.
    """

    def __init__(self, module: Mapping[str, Any]) -> None:
        self.cells: list[Cell] = [cell for name, cell in module["cells"].items() if not name.startswith("$PACKER_")]
        self._driver: dict[Bit, tuple[Cell, str]] = {}
        self._readers: defaultdict[Bit, list[Cell]] = defaultdict(list)
        for cell in self.cells:
            for _, bit in _inputs(cell):
                self._readers[bit].append(cell)
            for port, bit in _ports(cell, "output"):
                self._driver[bit] = cell, port
        waits_for = {bit: self._before(cell) for bit, (cell, _) in self._driver.items()}
        self._order = list(TopologicalSorter(waits_for).static_order())

    def _before(self, cell: Cell) -> list[Bit]:
        """What its outputs wait for: those of a register for nothing."""
        return [bit for _, bit in _inputs(cell) if bit in self._driver] if cell["type"] == "TRELLIS_COMB" else []

    def neighbours(self, cell: Cell) -> Iterator[Cell]:
        """The cells at the other ends of a cell's wires, clocks apart: one for each wire."""
        for _, bit in _inputs(cell):
            if bit in self._driver:
                yield self._driver[bit][0]
        for _, bit in _ports(cell, "output"):
            yield from self._readers[bit]

    def longest_ps(self, clock: Bit) -> float:
        """The longest path from a register of a clock to one of the same, 0 if there is none.

        A LUT memory is written by whatever clock: a placed design does not say.
        """
        arrivals: dict[Bit, float] = {}

        def enters(cell: Cell, port: str, bit: Bit) -> float:
            if (arrival := arrivals.get(bit, -inf)) == -inf:
                return -inf
            driver, output = self._driver[bit]
            joined = (output, port) in {("F", "DI"), ("FCO", "FCI")}  # within a slice, or from one to the next
            return arrival + (0 if joined else wire_ps(tile(driver), tile(cell)))

        for bit in self._order:
            cell, output = self._driver[bit]
            if cell["type"] in STARTS:
                arrivals[bit] = _start(cell, output) if _clock(cell, output) == clock else -inf
            elif cell["type"] == "TRELLIS_COMB":
                paths = (enters(cell, port, of) + _through(port, output) for port, of in _inputs(cell))
                arrivals[bit] = max(paths, default=-inf)
        ends = (
            enters(cell, port, bit)
            for cell in self.cells
            for port, bit in _inputs(cell)
            if cell["type"] == "TRELLIS_RAMW" or (cell["type"] in STARTS and _clock(cell, port) == clock)
        )
        return max(0, max(ends, default=0))


def tile(cell: Cell) -> Tile:
    """Where a cell is."""
    found = _BEL.match(cell["attributes"]["NEXTPNR_BEL"])
    assert found is not None, cell
    return int(found[1]), int(found[2])


def wire_ps(one: Tile, other: Tile) -> int:
    """What nextpnr expects of a wire from tile to tile, in ps: `predictDelay` of its `ecp5/arch.cc`, for speed grade 6.

    Within a tile some wires cost nothing there, which are not told apart here.
    """
    dx, dy = abs(one[0] - other[0]), abs(one[1] - other[1])
    return 80 * (6 + max(dx - 5, 0) + max(dy - 5, 0) + 2 * (min(dx, 5) + min(dy, 5)))


def _inputs(cell: Cell) -> list[tuple[str, Bit]]:
    """The inputs of a placed cell that paths lead to, and the net of each."""
    return [(port, bit) for port, bit in _ports(cell, "input") if not NO_PATH.fullmatch(port)]


def _ports(cell: Cell, direction: str) -> list[tuple[str, Bit]]:
    directions = cell["port_directions"]
    return [(port, bits[0]) for port, bits in cell["connections"].items() if bits and directions[port] == direction]


def _clock(cell: Cell, port: str) -> Bit | None:
    """What clocks a register, or one of the two ports of a block RAM."""
    name = {"TRELLIS_FF": "CLK", "MULT18X18D": "CLK0"}.get(cell["type"]) or f"CLK{_side(port)}"
    return next(iter(cell["connections"].get(name, [])), None)


def _side(port: str) -> str:
    """Of a block RAM's two ports the one that a pin belongs to: B for `DOB3`."""
    return port.rstrip("0123456789")[-1]


def _start(cell: Cell, output: str) -> int:
    registered = cell["type"] == "DP16KD" and cell["parameters"][f"REGMODE_{_side(output)}"] == "OUTREG"
    return OUTPUT_REGISTER if registered else STARTS[cell["type"]]


def _through(port: str, output: str) -> int:
    """From an input of a LUT, one in a carry chain maybe, to its output."""
    if output == "FCO":
        return CARRY if port == "FCI" else INTO_CARRY
    return OUT_OF_CARRY if port == "FCI" else LUT
