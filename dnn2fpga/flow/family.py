"""How the tools of a device family are called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..hw.resources import Resources
from . import carry
from .mend import mend

DENSE = 25_000
"""LUTs of a design from which on it is placed and routed otherwise: see docs/decisions.md."""


@dataclass(frozen=True)
class Family:
    """How a device family's tools are called, and what they call its parts."""

    synth: str  # commands for Yosys
    maps: tuple[Path, ...]  # files that these read
    mend: Callable[[Path, bool], None] | None  # of the netlist that they give
    nextpnr: str
    placer: tuple[str, ...]  # its options for placement
    dense: tuple[str, ...]  # and those for a dense design, which is routed apart
    constraints: str  # ending, and nextpnr's option for it
    routed: str  # ending of what nextpnr gives
    routed_option: str
    packer: tuple[str, ...]  # and its options; the names of its input and output follow
    bitstream: str  # ending
    synthesized: Callable[[Mapping[str, int]], Resources]  # from Yosys's cells
    placed: Mapping[str, str]  # from nextpnr's names to ours

    def is_dense(self, luts: int) -> bool:
        """Whether a design of so many LUTs is a dense one."""
        return bool(self.dense) and luts > DENSE


def _ecp5_cells(cells: Mapping[str, int]) -> Resources:
    # A carry cell is two LUTs; a distributed RAM four, and two more to write it.
    luts = cells.get("LUT4", 0) + 2 * cells.get("CCU2C", 0) + 6 * cells.get("TRELLIS_DPR16X4", 0)
    return Resources(luts, cells.get("TRELLIS_FF", 0), cells.get("MULT18X18D", 0), cells.get("DP16KD", 0))


def _ice40_cells(cells: Mapping[str, int]) -> Resources:
    ffs = sum(count for name, count in cells.items() if name.startswith("SB_DFF"))
    return Resources(cells.get("SB_LUT4", 0), ffs, cells.get("SB_MAC16", 0), cells.get("SB_RAM40_4K", 0))


# DSP blocks are instantiated by `hw.primitives` where the plan wants them; Yosys must not infer more.
# Wide multiplexers (`PFUMX`, `L6MUX21`) cost up to a quarter more LUTs, at about the same clock.
FAMILIES = {
    "ecp5": Family(
        synth=carry.synthesis("-nodsp -nowidelut -top top"),
        maps=(carry.ADDERS,),
        mend=mend,
        nextpnr="nextpnr-ecp5",
        placer=("--placer", "static"),
        dense=("--placer-heap-timingweight", "40"),
        constraints="lpf",
        routed="config",
        routed_option="--textcfg",
        packer=("ecppack", "--compress"),
        bitstream="bit",
        synthesized=_ecp5_cells,
        placed={"TRELLIS_COMB": "luts", "TRELLIS_FF": "ffs", "MULT18X18D": "dsps", "DP16KD": "brams"},
    ),
    "ice40": Family(
        synth="synth_ice40 -abc9 -device {ice40_device} -top top",
        maps=(),
        mend=None,
        nextpnr="nextpnr-ice40",
        placer=(),
        dense=(),
        constraints="pcf",
        routed="asc",
        routed_option="--asc",
        packer=("icepack",),
        bitstream="bin",
        synthesized=_ice40_cells,
        placed={"ICESTORM_LC": "luts", "ICESTORM_DSP": "dsps", "ICESTORM_RAM": "brams"},
    ),
}
