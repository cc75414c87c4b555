"""ECP5's carry chains without their loose ends, for which nextpnr adds a cell of two LUTs each.

nextpnr brings whatever is joined to the first cell's carry in from the fabric, be it a constant, and brings the last
cell's carry out back to it, be it read or not. With both, and Yosys's own adders, a fifth of the LUTs of an unrolled
network were such cells, and two nets of constants reached over the whole chip.
"""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ADDERS = Path(__file__).with_name("ecp5_adders.v")
"""Yosys's techmap of adders whose first cell does not heed what is carried in."""


def synthesis(options: str) -> str:
    """Commands for Yosys: `synth_ecp5` with `options`, adders as in `ADDERS`, which it finds in its folder."""
    return (
        f"synth_ecp5 {options} -run begin:map_gates\n"
        f"techmap -map {ADDERS.name} t:$alu\n"
        f"synth_ecp5 {options} -run map_gates:\n"
    )


def loosen(path: Path) -> None:
    """Take off, in the netlist that Yosys wrote to `path`, what first cells do not heed and what nothing reads."""
    netlist = json.loads(path.read_text(encoding="utf-8"))
    for module in netlist["modules"].values():
        joined: Counter[Any] = Counter()
        for port in module["ports"].values():
            joined.update(port["bits"])
        for cell in module["cells"].values():
            for bits in cell["connections"].values():
                joined.update(bits)
        for cell in module["cells"].values():
            if cell["type"] == "CCU2C":
                ends = cell["connections"]
                read = {name for name in ("S0", "COUT") if any(joined[bit] > 1 for bit in ends.get(name, []))}
                if ends["CIN"] == ["0"] and "S0" not in read and _is_zero(cell):
                    ends["CIN"] = ["x"]
                if "COUT" not in read:
                    ends["COUT"] = ["x"]
    path.write_text(json.dumps(netlist, separators=(",", ":")), encoding="utf-8")


def _is_zero(cell: Mapping[str, Any]) -> bool:
    """Whether LUT4 of a carry cell's first half is 0, so that its carry out hangs on A and B alone."""
    ends = cell["connections"]
    return int(cell["parameters"]["INIT0"], 2) >> 12 == 0 and ends["C0"] == ends["D0"] == ["1"]
