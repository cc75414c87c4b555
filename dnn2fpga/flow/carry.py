"""ECP5's carry chains without their loose ends, for which nextpnr adds a cell of two LUTs each.

nextpnr brings whatever is joined to the first cell's carry in from the fabric, be it a constant, and brings the last
cell's carry out back to it, be it read or not. With both, and Yosys's own adders, a fifth of the LUTs of an unrolled
network were such cells, and two nets of constants reached over the whole chip.
"""

from pathlib import Path

from .joints import Cell, Joints

ADDERS = Path(__file__).with_name("ecp5_adders.v")
"""Yosys's techmap of adders whose first cell does not heed what is carried in."""


def synthesis(options: str) -> str:
    """Commands for Yosys: `synth_ecp5` with `options`, adders as in `ADDERS`, which it finds in its folder."""
    return (
        f"synth_ecp5 {options} -run begin:map_gates\n"
        f"techmap -map {ADDERS.name} t:$alu\n"
        f"synth_ecp5 {options} -run map_gates:\n"
    )


def loosen(joints: Joints) -> None:
    """Take off what first cells do not heed and what nothing reads."""
    for cell in joints.cells("CCU2C"):
        ends = cell["connections"]
        read = {name for name in ("S0", "COUT") if any(joints.is_read(bit) for bit in ends.get(name, []))}
        if ends["CIN"] == ["0"] and "S0" not in read and _is_zero(cell):
            ends["CIN"] = ["x"]
        if "COUT" not in read:
            ends["COUT"] = ["x"]


def _is_zero(cell: Cell) -> bool:
    """Whether LUT4 of a carry cell's first half is 0, so that its carry out hangs on A and B alone."""
    ends = cell["connections"]
    return int(cell["parameters"]["INIT0"], 2) >> 12 == 0 and ends["C0"] == ends["D0"] == ["1"]
