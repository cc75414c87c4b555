"""Copies of what very many read: a reset, an enable, a select. nextpnr makes none.

One flip-flop that 500 read all over a chip takes most of a cycle to reach the last of them. Copies of it do the same
at the same time, and each is placed where those that read it are.
"""

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from .joints import Cell, Joints, Pin

MOST = 96
"""Pins that a register or a LUT may lead to."""

MOST_IF_DENSE = 48
"""The same in a dense design. Elsewhere the router, which has other ways than there, is the worse for more copies."""

OUTPUTS = ("LUT4", "Z"), ("TRELLIS_FF", "Q")
"""What is copied, and the port that leads to others."""

PINS = {"TRELLIS_DPR16X4": 4}
"""Those of a cell that is several once it is packed: one for each of its LUTs."""


def copy_drivers(joints: Joints, most: int, *, apart: bool = False) -> None:
    """Copy each flip-flop and each LUT that leads to more than `most` pins, clocks apart; and, `apart`, each LUT that
    leads to several parts of the design, which may be far from one another: a LUT stands with one, and the way to it
    and back again is as long as two.
    """
    # Of what the original reads, the copy is one more pin: that may then be too many.
    copied = True
    while copied:
        copied = False
        for kind, output in OUTPUTS:
            for cell in joints.cells(kind):
                copied |= _copy(joints, cell, output, most, apart and kind == "LUT4")


def _copy(joints: Joints, cell: Cell, output: str, most: int, apart: bool) -> bool:
    """Copy a cell that leads to too many pins, or `apart` to several parts of the design: it and each copy lead to one
    part, and about as many pins as may be. Says whether it did.
    """
    readers = joints.readers[cell["connections"][output][0]]
    if (not apart and _pins(readers) <= most) or any(pin.port == "CLK" for pin in readers):
        return False
    # Names go by place in the design. Parts may be at opposite ends of the chip.
    readers = sorted(readers, key=lambda pin: (_natural(joints.name(pin.cell)), pin.port, pin.at))
    parts = [list(part) for _, part in groupby(readers, lambda pin: joints.name(pin.cell).split(".")[:-1][:2])]
    groups = [group for part in parts for group in _split(part, min(len(part), -(-_pins(part) // most)))]
    for group in groups[1:]:
        own = joints.new_bit()  # in its name: the same cell may be copied again
        joints.add(f"{joints.name(cell)}_copy{own}", _like(cell, output, own))
        joints.move(group, own)
    return len(groups) > 1


def _pins(readers: Sequence[Pin]) -> int:
    return sum(PINS.get(pin.cell["type"], 1) for pin in readers)


def _split(readers: Sequence[Pin], n: int) -> list[Sequence[Pin]]:
    """In `n` pieces, one behind the other."""
    return [readers[at * len(readers) // n : (at + 1) * len(readers) // n] for at in range(n)]


def _natural(name: str) -> list[Any]:
    """A key that has 9 before 10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def _like(cell: Cell, output: str, bit: int) -> Cell:
    """A cell that reads what this one does, and drives a net of its own."""
    connections = {port: list(bits) for port, bits in cell["connections"].items()}
    return {**cell, "connections": {**connections, output: [bit]}}
