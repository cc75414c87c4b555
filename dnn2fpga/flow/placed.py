"""A design that nextpnr has placed, on its way to being routed by another run of it."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

_CLOCK = re.compile(r"Max frequency for clock +'(.*)': ([\d.]+) MHz \(\w+ at ([\d.]+) MHz\)")


def promised(log: Iterable[str]) -> dict[str, tuple[float, float]]:
    """By nextpnr's log: of each clock, by the name of its net, what a placement gives and what is asked for, in MHz."""
    found = (_CLOCK.search(line) for line in log)
    return {clock[1]: (float(clock[2]), float(clock[3])) for clock in found if clock}


def tell_router(placed: Path, clocks: Mapping[str, float], *, insists: bool) -> Path:
    """Write into the design `placed` that router2 is to route it. Gives a file of constraints for it, beside it: those
    it was placed with, of `top.lpf`, and `clocks`, in MHz by their nets, which no placed design holds.

    Settings in the design go before nextpnr's options, and hold those it was placed with. A router that `insists`
    takes up again whatever would be late, until nothing is: not without end only where the clock can be had.
    """
    design = json.loads(placed.read_text(encoding="utf-8"))
    (module,) = design["modules"].values()
    # Numbers are bits as text; a text is told from one by a space behind it or a character that is none.
    module["settings"] |= {"router": "router2", "router/tmg_ripup": f"{insists:032b}"}
    placed.write_text(json.dumps(design, separators=(",", ":")), encoding="utf-8")
    constraints = placed.with_suffix(".lpf")
    lines = [f'FREQUENCY NET "{name}" {mhz:.3f} MHZ;\n' for name, mhz in clocks.items()]
    # Amaranth's file ends in a comment, and in no end of a line.
    constraints.write_text("".join(lines) + (placed.parent / "top.lpf").read_text())
    return constraints
