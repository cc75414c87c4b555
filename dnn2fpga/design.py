"""The whole flow behind one object: a plan for an integer model, and all that can be done with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from .errors import Refusal
from .flow import netlist
from .flow.build import build
from .flow.engines import Engine, Stalls, default_engine
from .flow.simulate import Simulation, simulate
from .hw import buffer
from .hw.pipeline import Pipeline
from .hw.plan import GENERIC_MHZ, LARGE, Plan, TooSmall, plan
from .hw.resources import BOUNDLESS, Device, Resources
from .kinds import FOLDINGS
from .platforms import BOARDS, find
from .platforms.board import Board
from .quant import description
from .quant.graph import QGraph

MOST_MHZ = 400
"""What the fastest clock nets of these chips carry (Lattice FPGA-DS-02012); no design comes near."""

LINK = {"ecp5": Resources(luts=630, ffs=410), "ice40": Resources(luts=780, ffs=410)}
"""What the link to the host takes of a chip beside the pipeline, its memories apart. Of an iCE40 a cell that holds
nothing but a flip-flop counts as a LUT."""


def planned_for(
    qgraph: QGraph,
    board: Board,
    *,
    fps: float | None = None,
    latency_us: float | None = None,
    most: Resources = BOUNDLESS,
) -> Plan:
    """The plan for a board, on which the link is kept free, with its memory for an image in and for what comes out."""
    reserved = LINK[board.device.family]
    for shape, fmt in ((qgraph.input_shape, qgraph.i), (qgraph.output_shape, qgraph.o)):
        reserved += buffer.resources(math.prod(shape), fmt.bits, board.device, buffer.YOSYS_PIECES)
    goal: dict[str, Any] = {"fps": fps, "latency_us": latency_us, "most": most}
    return plan(qgraph, FOLDINGS, board.device, board.clock_mhz, reserved=reserved, **goal)


def boards_that_hold(qgraph: QGraph, lacking: Sequence[str]) -> str:
    """Which boards hold the model, with what its plan takes there of the resources `lacking`; or what would help."""
    said: dict[Device, str | None] = {}
    for board in BOARDS.values():
        if board.device not in said:
            try:
                taken, there = planned_for(qgraph, board).resources, board.device.budget
                parts = (f"{getattr(taken, name):,} of {getattr(there, name):,} {name}" for name in lacking)
                said[board.device] = ", ".join(parts)
            except TooSmall:
                said[board.device] = None
    held = [f"{board.name} ({figures})" for board in BOARDS.values() if (figures := said[board.device])]
    if not held:
        return "no board that we know holds it: quantize to fewer bits, or make the model smaller"
    return f"name a board that holds it: {', '.join(held)}"


class Design:
    """Hardware for `qgraph`, planned for a board, or for no board in particular.

    `board` is a name that `dnn2fpga boards` lists; `fps` the images a second and `latency_us` the microseconds an
    image that the cheapest design reaches, without either of which it is as fast as it fits, in 20,000 LUTs;
    `clock_mhz` the clock, without which it is the one that suits the board. `most` is what may be taken of a chip that
    is to hold more than this, the link to the host included. Raises `Refusal` if that cannot be done.
    """

    def __init__(
        self,
        qgraph: QGraph,
        *,
        board: str | None = None,
        fps: float | None = None,
        latency_us: float | None = None,
        clock_mhz: float | None = None,
        most: Resources = BOUNDLESS,
    ) -> None:
        if clock_mhz is not None and not 0 < clock_mhz <= MOST_MHZ:
            raise Refusal(f"clock must be above 0 and at most {MOST_MHZ} MHz, not {clock_mhz!r}")
        self.qgraph = qgraph
        self.board = find(board) if board is not None else None
        if self.board is not None and clock_mhz is not None:
            self.board = replace(self.board, clock_mhz=clock_mhz)
        self.fps, self.latency_us, self.most = fps, latency_us, most
        self.clock_mhz = clock_mhz or (self.board.clock_mhz if self.board else GENERIC_MHZ)

    @cached_property
    def plan(self) -> Plan:
        """Lanes, cycles and sizes."""
        try:
            if self.board is None:
                return self._plan_for_no_board()
            return planned_for(self.qgraph, self.board, fps=self.fps, latency_us=self.latency_us, most=self.most)
        except TooSmall as small:
            raise Refusal(f"{small}; {boards_that_hold(self.qgraph, small.lacking)}") from None

    def _plan_for_no_board(self) -> Plan:
        planned = partial(plan, self.qgraph, FOLDINGS, fps=self.fps, latency_us=self.latency_us, most=self.most)
        try:
            return planned(clock_mhz=self.clock_mhz)
        except TooSmall:
            return planned(LARGE, self.clock_mhz)

    def simulate(
        self,
        x: np.ndarray,
        engine: Engine | None = None,
        *,
        stalls: Stalls | None = None,
        vcd: Path | None = None,
        progress: Callable[[int], object] = lambda images: None,
    ) -> Simulation:
        """Run real inputs `x` `(n, *input_shape)` through the hardware, compared with the reference."""
        engine = engine or default_engine()
        return simulate(self.plan, self.qgraph, x, engine, stalls=stalls, vcd=vcd, progress=progress)

    MODULE = "dnn2fpga"
    """The name of the Verilog module."""

    def verilog(self) -> str:
        """The pipeline as Verilog-2001, a module `MODULE`. Raises `Refusal` without Yosys."""
        return netlist.verilog(Pipeline(self.plan), self.MODULE)

    def ports(self) -> dict[str, int]:
        """The ports of the Verilog module, and their widths in bits."""
        return {port.name: len(port) for port in netlist.Flat(Pipeline(self.plan)).ports()}

    def build(self, out: str | Path, progress: Callable[[str], None] = lambda step: None) -> dict[str, Any]:
        """Make a bitstream in the folder `out`; gives the figures, under the names of `dnn2fpga build --json`.

        The integer model is kept beside it, for `verify`. Raises `Refusal` without a board or a tool,
        `Shortfall` with the figures if the result is too large or too slow.
        """
        if self.board is None:
            raise Refusal("a bitstream is made for a board: name one")
        out = Path(out)
        plan = self.plan
        manifest = {"cycles_per_image": plan.cycles_per_image, "latency_cycles": plan.latency_cycles}
        result = build(
            Pipeline(plan), self.board, out,
            values_in=math.prod(self.qgraph.input_shape), values_out=math.prod(self.qgraph.output_shape),
            manifest=manifest, keep=lambda: description.save(self.qgraph, out / "model"), progress=progress,
        )  # fmt: skip
        return {
            **asdict(result), **manifest, "bitstream": str(result.bitstream),
            "images_per_second": result.clock_mhz * 1e6 / plan.cycles_per_image,
            "latency_us": plan.latency_cycles / result.clock_mhz,
        }  # fmt: skip
