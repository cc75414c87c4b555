"""Verilog of other generators through the tools and options of our own builds, for the same chip.

Their ports are more than the chip has pins, so all but the clock hang on shift registers: a flip-flop for each bit of
an input, and a flip-flop and a LUT for each bit of an output. These are subtracted from all figures. All else is as in
`dnn2fpga.flow.build`, save that Yosys may find multipliers by itself (ours stand in the netlist already).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dnn2fpga.platforms import find
from limit import TooLong, within

from dnn2fpga.errors import Shortfall
from dnn2fpga.flow import carry, toolchain
from dnn2fpga.flow.board import Board
from dnn2fpga.flow.build import cells_of
from dnn2fpga.flow.family import FAMILIES, Family
from dnn2fpga.flow.mend import mend
from dnn2fpga.flow.route import route

BOARD = "ulx3s_85f"
MHZ = 100
FAMILY = FAMILIES["ecp5"]


@dataclass(frozen=True)
class Harness:
    """Shift registers of so many bits."""

    bits_in: int
    bits_out: int

    def subtracted(self, figures: dict[str, Any]) -> dict[str, Any]:
        """What is left of a design's own."""
        own = {"lut4": self.bits_out, "luts": self.bits_out, "ffs": self.bits_in + self.bits_out}
        return {name: count - own.get(name, 0) for name, count in figures.items()}


def implement(sources: Sequence[Path], top: str, clock: str, out: Path, minutes: float) -> dict[str, Any]:
    """The figures of a module, synthesized, placed and routed in the folder `out`; a `note` where it is not.

    Its sources are in that folder.
    """
    names = [str(source.relative_to(out)) for source in sources]
    shutil.copy(carry.ADDERS, out)
    harness = _harness(names, top, clock, out)
    toolchain.run_yosys(
        f"read_verilog -sv {' '.join(names)} harness.v\n{carry.synthesis('-nowidelut -top harness')}"
        "tee -o cells.json stat -json\nwrite_json top.json\n",
        out,
    )
    figures = {**harness.subtracted(synthesized(out)), "goal_mhz": MHZ}
    board, dense = find(BOARD), FAMILY.is_dense(figures["luts"])
    if any(figures[name] > getattr(board.device.budget, name) for name in FAMILY.placed.values()):
        return {**figures, "note": "too large for the chip"}
    mend(out / "top.json", dense)
    (out / "top.lpf").touch()  # pins are where nextpnr likes them
    board = replace(board, nextpnr=(*board.nextpnr, "--lpf-allow-unconstrained"))
    # NNgen's clocks are better by HeAP, ours by the static placer: a peer has the better of both.
    ways = (FAMILY,) if dense else (FAMILY, replace(FAMILY, placer=()))
    found = [_routed(way, board, out, dense, minutes) for way in ways]
    best = max(found, key=lambda row: row.get("fmax_mhz", 0))
    return {**figures, **harness.subtracted(placed(out)), **best}


def _routed(family: Family, board: Board, out: Path, dense: bool, minutes: float) -> dict[str, Any]:
    def clock() -> dict[str, Any]:
        try:
            return {"fmax_mhz": route(family, board, out, MHZ, lambda step: None, dense=dense).fmax_mhz}
        except Shortfall as shortfall:
            return {"note": str(shortfall)}

    try:
        return within(minutes, clock)
    except TooLong:
        return {"note": not_routed(minutes)}


def synthesized(out: Path) -> dict[str, int]:
    """What Yosys made in a folder; of LUTs what they will be once placed, at least."""
    cells = cells_of(out)
    return {"lut4": cells.get("LUT4", 0), **asdict(FAMILY.synthesized(cells))}


def placed(out: Path) -> dict[str, int]:
    """What nextpnr found in a folder; nothing where it did not come so far."""
    log = out / "nextpnr_1.log"
    found = re.findall(rf"({'|'.join(FAMILY.placed)}): +(\d+)/", log.read_text()) if log.is_file() else []
    return {FAMILY.placed[name]: int(count) for name, count in found}


def not_routed(minutes: float) -> str:
    """What is said of a design for which the time did not suffice."""
    return f"not routed in {minutes:g} minutes"


def _harness(names: Sequence[str], top: str, clock: str, out: Path) -> Harness:
    """Write `harness.v`."""
    toolchain.run_yosys(
        f"read_verilog -sv {' '.join(names)}\nhierarchy -top {top}\ntee -o ports.txt portlist {top}\n", out
    )
    ports = re.findall(r"^\s*(input|output) \[(\d+):(\d+)\] (\S+)\s*$", (out / "ports.txt").read_text(), re.M)
    taken, wires = {"input": 0, "output": 0}, [f".{clock}(clk)"]
    for direction, high, low, name in ports:
        if name != clock:
            start, width = taken[direction], int(high) - int(low) + 1
            wires.append(f".{name}({'si' if direction == 'input' else 'o'}[{start + width - 1}:{start}])")
            taken[direction] += width
    bits_in, bits_out = taken["input"], taken["output"]
    (out / "harness.v").write_text(
        "module harness(input clk, input sin, input load, output sout);\n"
        # With an enable, or a design's own registers behind its inputs would be taken for parts of this one.
        f"reg [{bits_in - 1}:0] si; always @(posedge clk) if (load) si <= {{si, sin}};\n"
        f"wire [{bits_out - 1}:0] o;\n"
        f"reg [{bits_out - 1}:0] so; always @(posedge clk) so <= load ? o : {{so, 1'b0}};\n"
        f"assign sout = so[{bits_out - 1}];\n"
        f"{top} dut({', '.join(wires)});\n"
        "endmodule\n"
    )
    return Harness(bits_in, bits_out)
