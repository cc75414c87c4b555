"""Copies of what very many read: a reset, an enable, a select. nextpnr makes none.

One flip-flop that 500 read all over a chip takes most of a cycle to reach the last of them. Copies of it do the same
at the same time, and each is placed where those that read it are.
"""

import re
from typing import Any

from .joints import Cell, Joints

MOST = 96
"""Pins that a register or a LUT may lead to."""

MOST_IF_DENSE = 48
"""The same in a dense design. Elsewhere the router, which has other ways than there, is the worse for more copies."""

PINS = {"TRELLIS_DPR16X4": 8}
"""Those of a cell that is several once it is packed: one for each of its LUTs."""


def copy_drivers(joints: Joints, most: int) -> None:
    """Copy each flip-flop and each LUT that leads to more than `most` pins, clocks apart."""
    # LUTs first: their copies are more pins for flip-flops to lead to.
    for kind, output in (("LUT4", "Z"), ("TRELLIS_FF", "Q")):
        for cell in joints.cells(kind):
            _copy(joints, cell, output, most)


def _copy(joints: Joints, cell: Cell, output: str, most: int) -> None:
    """Copy a cell until neither it nor a copy leads to too many pins."""
    readers = joints.readers[cell["connections"][output][0]]
    pins = sum(PINS.get(pin.cell["type"], 1) for pin in readers)
    if pins <= most or any(pin.port == "CLK" for pin in readers):
        return
    # Names go by place in the design: those that read one copy are of one part of it, or of two.
    readers = sorted(readers, key=lambda pin: (_natural(joints.name(pin.cell)), pin.port, pin.at))
    copies = min(len(readers), -(-pins // most))
    for number in range(1, copies):
        own = joints.new_bit()
        joints.add(f"{joints.name(cell)}_copy{number}", _like(cell, output, own))
        joints.move(readers[number * len(readers) // copies : (number + 1) * len(readers) // copies], own)


def _natural(name: str) -> list[Any]:
    """A key that has 9 before 10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def _like(cell: Cell, output: str, bit: int) -> Cell:
    """A cell that reads what this one does, and drives a net of its own."""
    connections = {port: list(bits) for port, bits in cell["connections"].items()}
    return {**cell, "connections": {**connections, output: [bit]}}
