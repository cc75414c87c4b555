"""The longest path of a routed design, in names that its author knows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_PRIMITIVE = re.compile(r"((\.\d+)+(?=_|$)|_(TRELLIS_|LUT4|CCU2C|DP16KD|MULT18X18D|SB_)|\$).*")


def slowest_clock(report: Mapping[str, Any]) -> tuple[str, float]:
    """The clock that a routed design is farthest from keeping to, by the name of its net; and how much it could be of
    what was asked for. `report` is nextpnr's.
    """
    reached = {name: clock["achieved"] / clock["constraint"] for name, clock in report["fmax"].items()}
    slowest = min(reached, key=reached.__getitem__)
    return slowest, reached[slowest]


def longest_path(report: Mapping[str, Any]) -> str | None:
    """From which component to which the path goes that holds its clock up most, and how much of it is wires.

    `report` is nextpnr's, of a design that is routed. None if there is no such path.
    """
    clock, _ = slowest_clock(report)
    between = [path["path"] for path in report["critical_paths"] if path["from"] == path["to"] == f"posedge {clock}"]
    if not between:
        return None
    path = max(between, key=_delay)
    start, end = _name(path[0]["from"]["cell"]), _name(path[-1]["to"]["cell"])
    wires = sum(step["delay"] for step in path if step["type"] == "routing")
    return f"{start} to {end}, {_delay(path):.1f} ns, {wires:.1f} of them wires"


def _delay(path: list[dict[str, Any]]) -> float:
    return sum(step["delay"] for step in path)


def _name(cell: str) -> str:
    """What synthesis made a cell of: `pipeline.conv2d.sums.word` for `pipeline.conv2d.sums.word_TRELLIS_FF_Q_1`."""
    return _PRIMITIVE.sub("", cell).removeprefix("pipeline.")
