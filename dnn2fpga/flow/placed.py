"""A design that nextpnr has placed, on its way to being routed by another run of it."""

import json
from pathlib import Path


def tell_router(path: Path, clock_mhz: float, *, insists: bool) -> None:
    """Write into the placed design at `path` how it is to be routed: by router2, for a clock.

    Settings in the design go before nextpnr's options, and hold those it was placed with. A router that `insists`
    takes up again whatever would be late, until nothing is: not without end only where the clock can be had.
    """
    design = json.loads(path.read_text(encoding="utf-8"))
    (module,) = design["modules"].values()
    # Numbers are bits as text; a text is told from one by a space behind it or a character that is none.
    module["settings"] |= {"router": "router2", "target_freq": f"{clock_mhz * 1e6:.6f}"}
    module["settings"]["router/tmg_ripup"] = f"{insists:032b}"
    path.write_text(json.dumps(design, separators=(",", ":")), encoding="utf-8")
