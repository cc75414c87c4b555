"""The multipliers of a placed ECP5 design, seated anew.

HeAP seats them much as they come, in rows that are soon full, and what refines its placement tries one exchange at a
time: one that came late stays in a far row, though others could make room. Who takes which seat is an assignment, which
is solved exactly while all else stays where it is.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .joints import Cell
from .longest import Places, tile, wire_ps

MULTIPLIER = "MULT18X18D"

GROUP = {"MULT18_0": 0, "MULT18_1": 1, "MULT18_4": 4, "MULT18_5": 5}
"""Multipliers of a group, and how many tiles each is behind the first."""

STEEP = 8
"""The power of wires' delays of which the sum is made small: so the longest count most."""

Seat = tuple[int, int, str]


def seat(placed: Path, clocks: Mapping[str, float]) -> dict[str, float]:
    """Move the multipliers of the design in `placed`, as nextpnr wrote it, to the seats that are best for all of them
    together, unless that makes a clock slower. Gives what becomes of `clocks`, in MHz by their nets.

    Seats are those of all groups of multipliers of which one is in use. Every wire between a multiplier and anything
    else counts, by the delay that nextpnr expects of it.
    """
    from scipy.optimize import linear_sum_assignment  # a third of a second, for a few designs only

    design = json.loads(placed.read_text(encoding="utf-8"))
    (module,) = design["modules"].values()
    places = Places(module)
    cells = [cell for cell in places.cells if cell["type"] == MULTIPLIER]
    if not cells:
        return dict(clocks)
    nets = {name: module["netnames"][name]["bits"][0] for name in clocks}
    before = {name: places.longest_ps(net) for name, net in nets.items()}
    seats = sorted({seat for cell in cells for seat in _group(cell)})
    costs = np.array([_costs(places, cell, seats) for cell in cells])
    for cell, at in zip(cells, linear_sum_assignment(costs)[1], strict=True):
        x, y, name = seats[at]
        cell["attributes"]["NEXTPNR_BEL"] = f"X{x}/Y{y}/{name}"
    after = {name: places.longest_ps(net) for name, net in nets.items()}
    if any(after[name] > before[name] for name in clocks):
        return dict(clocks)
    placed.write_text(json.dumps(design, separators=(",", ":")), encoding="utf-8")
    return {name: mhz * before[name] / after[name] if after[name] else mhz for name, mhz in clocks.items()}


def _group(cell: Cell) -> list[Seat]:
    """The seats of the group that it is in."""
    (x, y), own = tile(cell), cell["attributes"]["NEXTPNR_BEL"].rpartition("/")[2]
    return [(x - GROUP[own] + behind, y, name) for name, behind in GROUP.items()]


def _costs(places: Places, cell: Cell, seats: list[Seat]) -> list[float]:
    """What it would cost to have it in each of the seats."""
    ends = [tile(other) for other in places.neighbours(cell) if other["type"] != MULTIPLIER]
    return [float(sum(wire_ps((x, y), end) ** STEEP for end in ends)) for x, y, _ in seats]
