"""The longest path of a routed design, in names that its author knows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_PRIMITIVE = re.compile(r"((\.\d+)+(?=_|$)|_(TRELLIS_|LUT4|CCU2C|DP16KD|MULT18X18D|SB_)|\$).*")


def shares(report: Mapping[str, Any]) -> dict[str, float]:
    """How much each clock of a routed design could be of what is asked of it, by its net. `report` is nextpnr's."""
    return {name: clock["achieved"] / clock["constraint"] for name, clock in report["fmax"].items()}


def longest_path(report: Mapping[str, Any]) -> str | None:
    """From which component to which the path goes that holds its clock up most, and how much of it is wires.

    `report` is nextpnr's, of a design that is routed. None if there is no such path.
    """
    reached = shares(report)
    clock = min(reached, key=reached.__getitem__)
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
