"""From a pipeline to a bitstream: synthesis, placement and routing, packing, each step's figures checked."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
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
from .family import FAMILIES, Family
from .link import Tensor
from .netlist import no_garbage_collection
from .route import route
from .top import Top

RECORD = "build.json"


@dataclass(frozen=True)
class BuildResult:
    """A finished build: the bitstream, the clock it runs at and could run at, and what it takes of the chip.

    Where the link has a clock of its own, both could be by `fmax_mhz / clock_mhz` faster.
    `seed` is that of placement and routing, the lowest that meets the clock. `luts` are `TRELLIS_COMB` on ECP5 and
    logic cells on iCE40.
    """

    bitstream: Path
    clock_mhz: float
    fmax_mhz: float
    seed: int
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
    keep: Callable[[], object],
    progress: Callable[[str], None],
) -> BuildResult:
    """Build `pipeline` for `board` into the folder `out`, and record it in `out/build.json`.

    Parameters: `values_in`, `values_out`, values of an image and of its outputs; `manifest`, what else the
    record shall hold, under names of the caller's; `keep`, called once the design is packed, to put what belongs to it
    beside it; `progress`, told of each step as it begins.

    Raises `Refusal` for a missing tool or a clock the board cannot make, `Shortfall` with the figures if
    the design is too large or too slow, and `toolchain.ToolError` if a tool fails. The logs stay in `out`
    in any case; the bitstream is there only if everything is well.
    """
    family = FAMILIES[board.device.family]
    for tool in ("yosys", family.nextpnr, family.packer[0]):
        toolchain.find(tool)  # refused before any work
    out.mkdir(parents=True, exist_ok=True)
    bitstream = out / f"design.{family.bitstream}"
    for stale in (bitstream, out / RECORD):
        stale.unlink(missing_ok=True)

    progress("elaborating")
    with no_garbage_collection():
        design_hash = hash_of(pipeline)
        top = Top(pipeline, board, values_in=values_in, values_out=values_out, design_hash=design_hash)
        files = top.platform.prepare(top, "top").files
    for name in ("top.il", f"top.{family.constraints}"):
        (out / name).write_text(files[name])

    progress("synthesizing")
    synthesized = synthesize(family, board, out)
    _check_size(synthesized, board)

    progress("placing and routing")
    clock_mhz = float(top.clock_mhz)
    routed = route(family, board, out, clock_mhz, progress, dense=family.is_dense(synthesized.luts))
    placed = _placed(family, routed.report, synthesized)
    figures = {"clock_mhz": clock_mhz, "fmax_mhz": routed.fmax_mhz, "seed": routed.seed, **asdict(placed)}
    if routed.fmax_mhz < clock_mhz:
        path = longest_path(routed.report)
        raise Shortfall(
            f"the design runs at {routed.fmax_mhz:.1f} MHz at most, not at the {clock_mhz:g} MHz asked of {board.name}"
            f", seeds tried: {routed.tried}" + (f"; its longest path goes from {path}" if path else ""),
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
    keep()
    (out / RECORD).write_text(json.dumps(record, indent=2) + "\n")
    os.replace(packed, bitstream)  # last, and at once: where it stands, all is well
    return BuildResult(bitstream, clock_mhz, routed.fmax_mhz, routed.seed, **asdict(placed))


def read_record(out: Path) -> dict[str, Any]:
    """The record of the finished build in `out`. Raises `Refusal` if there is none."""
    advice = f"run `dnn2fpga build` with --out {out}"
    try:
        record = json.loads((out / RECORD).read_text())
        bitstream = out / record["bitstream"]
    except FileNotFoundError:
        raise Refusal(f"{out} holds no finished build: {advice}") from None
    except (ValueError, LookupError, TypeError):
        raise Refusal(f"{out / RECORD} is damaged: {advice}") from None
    if not bitstream.is_file():
        raise Refusal(f"{out} holds a build without its bitstream: {advice}")
    return record


def hash_of(pipeline: Any) -> bytes:
    """What tells this pipeline from any other, weights and all: 4 bytes of its netlist's SHA-256."""
    text = rtlil.convert(pipeline, name="pipeline", emit_src=False)
    return hashlib.sha256(text.encode()).digest()[:HASH_BYTES]


def _tensor(stream: Any, values: int) -> Tensor:
    shape = Shape.cast(stream.payload.shape().elem_shape)
    return Tensor(values, shape.width, shape.signed)


def synthesize(family: Family, board: Board, out: Path) -> Resources:
    """From `top.il` in the folder `out` to `top.json` there; gives what Yosys counts of each resource."""
    synth = family.synth.format(ice40_device="u" if "UP5K" in board.device.name else "hx")
    # Fields of arrays are named `word[3]`, which Yosys 0.70's abc9 takes for a bit of `word`, and aborts.
    hide = "rename -hide w:*]"
    # Yosys heeds this attribute in Verilog only.
    apart = f"hierarchy -top top\nproc\nmemory_collect\nsetparam -set RD_COLLISION_X_MASK 1'1 a:{APART}"
    for path in family.maps:
        shutil.copy(path, out)
    log = toolchain.run_yosys(
        f"read_rtlil top.il\n{hide}\n{apart}\n{synth}\ntee -o cells.json stat -json\nwrite_json top.json\n",
        out,
    )
    (out / "yosys.log").write_text(log)
    taken = family.synthesized(cells_of(out))
    if family.mend:
        family.mend(out / "top.json", family.is_dense(taken.luts))
    return taken


def cells_of(out: Path) -> dict[str, int]:
    """How many cells of each kind Yosys's `stat -json` counted into `cells.json` in the folder `out`."""
    cells: dict[str, int] = json.loads((out / "cells.json").read_text())["design"]["num_cells_by_type"]
    return cells


def _check_size(taken: Resources, board: Board) -> None:
    """Raises `Shortfall` where the design takes more than the chip has."""
    figures, budget = asdict(taken), asdict(board.device.budget)
    over = [f"{count} {name} of {budget[name]}" for name, count in figures.items() if count > budget[name]]
    if over:
        raise Shortfall(f"the design is too large for {board.name}: {', '.join(over)}", figures)


def _placed(family: Family, report: Mapping[str, Any], synthesized: Resources) -> Resources:
    parts = report["utilization"]
    # A device without DSP blocks does not list them.
    used = {ours: parts[name]["used"] if name in parts else 0 for name, ours in family.placed.items()}
    # A logic cell of iCE40 is a LUT and a flip-flop, and nextpnr counts only whole cells.
    return Resources(**{"ffs": synthesized.ffs, **used})
