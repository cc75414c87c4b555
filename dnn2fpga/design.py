"""The whole flow behind one object: a plan for an integer model, and all that can be done with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from .errors import Refusal
from .flow import netlist
from .flow.build import build
from .flow.engines import Engine, Stalls, default_engine
from .flow.simulate import Simulation, simulate
from .hw.choose import Budget, choices_of
from .hw.pipeline import Pipeline
from .hw.plan import Plan, TooSmall, plan, smallest
from .hw.resources import Device, Resources
from .kinds import FOLDINGS
from .platforms import BOARDS, find
from .platforms.board import Board
from .quant import description
from .quant.graph import QGraph

LINK = Resources(luts=850, ffs=450)
"""What the link to the host takes of a board beside the pipeline, the memory for two images apart."""


def reserved(qgraph: QGraph, board: Board) -> Resources:
    """What is kept free on a board beside the layers: the link, and memory for two images."""
    return LINK + Resources(brams=2 * board.device.brams(math.prod(qgraph.input_shape), qgraph.i.bits))


def boards_that_hold(qgraph: QGraph, lacking: Sequence[str]) -> str:
    """Which boards hold the smallest design, with what it takes there of `lacking`; or what else would help."""
    said: dict[Device, str | None] = {}
    held = []
    for board in BOARDS.values():
        if board.device not in said:
            budget = Budget(board.device, reserved(qgraph, board))
            try:
                found = smallest(qgraph.name, choices_of(qgraph, FOLDINGS, budget), budget, board.clock_mhz)
                said[board.device] = budget.figures(found.resources - budget.reserved, lacking)
            except TooSmall:
                said[board.device] = None
        if figures := said[board.device]:
            held.append(f"{board.name} ({figures})")
    if not held:
        return "no board that we know holds it: quantize to fewer bits, or make the model smaller"
    return f"name a board that holds it: {', '.join(held)}"


class Design:
    """Hardware for `qgraph`, planned for a board, or for no board in particular.

    `board` is a name that `dnn2fpga boards` lists; `fps` the images a second that the slowest layer must keep up
    with, without which the design fills the board. Raises `Refusal` if that cannot be done.
    """

    def __init__(self, qgraph: QGraph, *, board: str | None = None, fps: float | None = None) -> None:
        self.qgraph = qgraph
        self.board = find(board) if board is not None else None
        self.fps = fps

    @cached_property
    def plan(self) -> Plan:
        """Lanes, cycles and sizes."""
        board, make = self.board, partial(plan, self.qgraph, FOLDINGS, fps=self.fps)
        try:
            if board is None:
                return make()
            return make(board.device, board.clock_mhz, reserved=reserved(self.qgraph, board))
        except TooSmall as small:
            raise Refusal(f"{small}; {boards_that_hold(self.qgraph, small.lacking)}") from None

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
            manifest=manifest, progress=progress,
        )  # fmt: skip
        description.save(self.qgraph, out / "model")
        return {
            **asdict(result), **manifest, "bitstream": str(result.bitstream),
            "images_per_second": result.clock_mhz * 1e6 / plan.cycles_per_image,
            "latency_us": plan.latency_cycles / result.clock_mhz,
        }  # fmt: skip
