"""From a pipeline to a bitstream: synthesis, placement and routing, packing, each step's figures checked."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from amaranth import Shape
from amaranth.back import rtlil

from ..errors import Refusal, Shortfall
from ..hw.buffer import APART
from ..hw.frame import HASH_BYTES
from ..hw.resources import Resources
from . import toolchain
from .board import Board
from .critical import longest_path
from .link import Tensor
from .top import Top

RECORD = "build.json"
SEED = 1  # a build must give the same bits again


@dataclass(frozen=True)
class _Family:
    """How a device family's tools are called, and what they call its parts."""

    synth: str
    nextpnr: str
    constraints: str  # ending, and nextpnr's option for it
    routed: str  # ending of what nextpnr gives
    routed_option: str
    packer: tuple[str, ...]  # and its options; the names of its input and output follow
    bitstream: str  # ending
    synthesized: Callable[[Mapping[str, int]], Resources]  # from Yosys's cells
    placed: Mapping[str, str]  # from nextpnr's names to ours


def _ecp5_cells(cells: Mapping[str, int]) -> Resources:
    # A carry cell is two LUTs; a distributed RAM four, and two more to write it.
    luts = cells.get("LUT4", 0) + 2 * cells.get("CCU2C", 0) + 6 * cells.get("TRELLIS_DPR16X4", 0)
    return Resources(luts, cells.get("TRELLIS_FF", 0), cells.get("MULT18X18D", 0), cells.get("DP16KD", 0))


def _ice40_cells(cells: Mapping[str, int]) -> Resources:
    ffs = sum(count for name, count in cells.items() if name.startswith("SB_DFF"))
    return Resources(cells.get("SB_LUT4", 0), ffs, cells.get("SB_MAC16", 0), cells.get("SB_RAM40_4K", 0))


# DSP blocks are instantiated by `hw.primitives` where the plan wants them; Yosys must not infer more.
# Wide multiplexers (`PFUMX`, `L6MUX21`) cost up to a quarter more LUTs, at about the same clock.
_FAMILIES = {
    "ecp5": _Family(
        synth="synth_ecp5 -nodsp -nowidelut",
        nextpnr="nextpnr-ecp5",
        constraints="lpf",
        routed="config",
        routed_option="--textcfg",
        packer=("ecppack", "--compress"),
        bitstream="bit",
        synthesized=_ecp5_cells,
        placed={"TRELLIS_COMB": "luts", "TRELLIS_FF": "ffs", "MULT18X18D": "dsps", "DP16KD": "brams"},
    ),
    "ice40": _Family(
        synth="synth_ice40 -abc9 -device {ice40_device}",
        nextpnr="nextpnr-ice40",
        constraints="pcf",
        routed="asc",
        routed_option="--asc",
        packer=("icepack",),
        bitstream="bin",
        synthesized=_ice40_cells,
        placed={"ICESTORM_LC": "luts", "ICESTORM_DSP": "dsps", "ICESTORM_RAM": "brams"},
    ),
}


@dataclass(frozen=True)
class BuildResult:
    """A finished build: the bitstream, the clock it runs at and could run at, and what it takes of the chip.

    `luts` are `TRELLIS_COMB` on ECP5 and logic cells on iCE40.
    """

    bitstream: Path
    clock_mhz: float
    fmax_mhz: float
    luts: int
    ffs: int
    dsps: int
    brams: int


def build(
    pipeline: Any,
    board: Board,
    out: Path,
    *,
    values_in: int,
    values_out: int,
    manifest: Mapping[str, Any],
    progress: Callable[[str], None],
) -> BuildResult:
    """Build `pipeline` for `board` into the folder `out`, and record it in `out/build.json`.

    Parameters: `values_in`, `values_out`, values of an image and of its outputs; `manifest`, what else the
    record shall hold, under names of the caller's; `progress`, told of each step as it begins.

    Raises `Refusal` for a missing tool or a clock the board cannot make, `Shortfall` with the figures if
    the design is too large or too slow, and `toolchain.ToolError` if a tool fails. The logs stay in `out`
    in any case; the bitstream is there only if everything is well.
    """
    family = _FAMILIES[board.device.family]
    for tool in ("yosys", family.nextpnr, family.packer[0]):
        toolchain.find(tool)  # refused before any work
    out.mkdir(parents=True, exist_ok=True)
    bitstream = out / f"design.{family.bitstream}"
    for stale in (bitstream, out / RECORD):
        stale.unlink(missing_ok=True)

    progress("elaborating")
    design_hash = hash_of(pipeline)
    top = Top(pipeline, board, values_in=values_in, values_out=values_out, design_hash=design_hash)
    files = top.platform.prepare(top, "top").files
    for name in ("top.il", f"top.{family.constraints}"):
        (out / name).write_text(files[name])

    progress("synthesizing")
    synthesized = _synthesize(family, board, out)
    _check_size(synthesized, board)

    progress("placing and routing")
    clock_mhz = float(top.clock_mhz)
    _place_and_route(family, board, out, clock_mhz)
    report = json.loads((out / "report.json").read_text())
    placed = _placed(family, report, synthesized)
    fmax_mhz = min(clock["achieved"] for clock in report["fmax"].values())
    figures = {"clock_mhz": clock_mhz, "fmax_mhz": fmax_mhz, **asdict(placed)}
    if fmax_mhz < clock_mhz:
        path = longest_path(report)
        raise Shortfall(
            f"the design runs at {fmax_mhz:.1f} MHz at most, not at the {clock_mhz:g} MHz asked of {board.name}"
            + (f"; its longest path goes from {path}" if path else ""),
            figures,
        )

    progress("packing")
    packed = out / f"packed.{family.bitstream}"
    packer, *options = family.packer
    command = [*toolchain.find(packer), *options, f"top.{family.routed}", packed.name]
    (out / f"{packer}.log").write_text(toolchain.run(command, out, packer))

    record = {
        **manifest,
        **figures,
        "board": board.name,
        "loader": board.loader,
        "loads_sram": board.loads_sram,
        "bitstream": bitstream.name,
        "design_hash": design_hash.hex(),
        "link": {
            "baud": board.baud,
            "inputs": asdict(_tensor(pipeline.i, values_in)),
            "outputs": asdict(_tensor(pipeline.o, values_out)),
        },
    }
    (out / RECORD).write_text(json.dumps(record, indent=2) + "\n")
    os.replace(packed, bitstream)  # last, and at once: where it stands, all is well
    return BuildResult(bitstream, clock_mhz, fmax_mhz, **asdict(placed))


def read_record(out: Path) -> dict[str, Any]:
    """The record of the finished build in `out`. Raises `Refusal` if there is none."""
    try:
        record = json.loads((out / RECORD).read_text())
    except FileNotFoundError:
        raise Refusal(f"{out} holds no finished build: run `dnn2fpga build` with --out {out}") from None
    if not (out / record["bitstream"]).is_file():
        raise Refusal(f"{out} holds a build without its bitstream: run `dnn2fpga build` with --out {out}")
    return record


def hash_of(pipeline: Any) -> bytes:
    """What tells this pipeline from any other, weights and all: 4 bytes of its netlist's SHA-256."""
    text = rtlil.convert(pipeline, name="pipeline", emit_src=False)
    return hashlib.sha256(text.encode()).digest()[:HASH_BYTES]


def _tensor(stream: Any, values: int) -> Tensor:
    shape = Shape.cast(stream.payload.shape().elem_shape)
    return Tensor(values, shape.width, shape.signed)


def _synthesize(family: _Family, board: Board, out: Path) -> Resources:
    synth = family.synth.format(ice40_device="u" if "UP5K" in board.device.name else "hx")
    # Fields of arrays are named `word[3]`, which Yosys 0.70's abc9 takes for a bit of `word`, and aborts.
    hide = "rename -hide w:*]"
    # Yosys heeds this attribute in Verilog only.
    apart = f"hierarchy -top top\nproc\nmemory_collect\nsetparam -set RD_COLLISION_X_MASK 1'1 a:{APART}"
    log = toolchain.run_yosys(
        f"read_rtlil top.il\n{hide}\n{apart}\n{synth} -top top\ntee -o cells.json stat -json\nwrite_json top.json\n",
        out,
    )
    (out / "yosys.log").write_text(log)
    cells = json.loads((out / "cells.json").read_text())["design"]["num_cells_by_type"]
    return family.synthesized(cells)


def _check_size(taken: Resources, board: Board) -> None:
    """Raises `Shortfall` where the design takes more than the chip has."""
    figures, budget = asdict(taken), asdict(board.device.budget)
    over = [f"{count} {name} of {budget[name]}" for name, count in figures.items() if count > budget[name]]
    if over:
        raise Shortfall(f"the design is too large for {board.name}: {', '.join(over)}", figures)


def _place_and_route(family: _Family, board: Board, out: Path, clock_mhz: float) -> None:
    command = [
        *toolchain.find(family.nextpnr),
        *board.nextpnr,
        *("--json", "top.json"),
        *(f"--{family.constraints}", f"top.{family.constraints}"),
        *(family.routed_option, f"top.{family.routed}"),
        *("--report", "report.json"),
        *("--freq", f"{clock_mhz:.3f}"),
        *("--seed", str(SEED)),
        "--timing-allow-fail",  # judged here, with the figure
    ]
    with (
        (out / "nextpnr.log").open("w", buffering=1) as log,
        subprocess.Popen(
            command,
            cwd=out,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        ) as process,
    ):
        assert process.stdout is not None
        try:
            for line in process.stdout:
                log.write(line)
                # nextpnr goes on placing an over-full design for ever.
                if (use := re.search(r"(\w+): *(\d+)/ *(\d+) ", line)) and int(use[2]) > int(use[3]):
                    raise Shortfall(
                        f"the design is too large for {board.name}: {use[2]} {use[1]} of {use[3]}",
                        {family.placed.get(use[1], use[1]): int(use[2])},
                    )
        except BaseException:  # an interrupt too must not leave it running
            process.kill()
            raise
    if process.returncode != 0:
        text = (out / "nextpnr.log").read_text()
        raise toolchain.failure(family.nextpnr, process.returncode, text)


def _placed(family: _Family, report: Mapping[str, Any], synthesized: Resources) -> Resources:
    parts = report["utilization"]
    # A device without DSP blocks does not list them.
    used = {ours: parts[name]["used"] if name in parts else 0 for name, ours in family.placed.items()}
    # A logic cell of iCE40 is a LUT and a flip-flop, and nextpnr counts only whole cells.
    return Resources(**{"ffs": synthesized.ffs, **used})
