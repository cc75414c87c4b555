"""`python -m dnn2fpga.bench`: the shipped networks on every engine, with cycles, speed and mismatches."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import Design, quantize, report, shipped
from .cli import Parser, run
from .dataset import read_dataset
from .errors import Refusal, Shortfall
from .flow.engines import ENGINES
from .kinds import SPECS
from .model import description
from .show import Show

BOARDS = {"mnist_cnn": ("ulx3s_85f", 10_000.0), "mnist_mlp": ("icebreaker", None)}
"""What each shipped network is planned for: board, and images a second."""

IMAGES = {"cxxrtl": 200, "verilator": 200, "pysim": 2, "icarus": 2}
"""Images an engine gets: a few seconds each."""

_MEASURED = ("images", "mismatches", "cycles_per_image", "latency_cycles", "images_per_second")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench. Gives 0 if no integer differs, 1 if one does, 2 on bad usage."""
    parser = Parser(prog="python -m dnn2fpga.bench", description=__doc__, command=_bench)
    return run(parser, sys.argv[1:] if arguments is None else arguments)


def _bench(options: Namespace, show: Show) -> dict[str, Any]:
    data = read_dataset(shipped.digits())
    rows = []
    for name, (board, fps) in BOARDS.items():
        qgraph = quantize(description.load(shipped.model_folder(name), SPECS), data.x_calibrate)
        design = Design(qgraph, board=board, fps=fps)
        rows += [_row(name, design, data.x_judge, engine, show) for engine in IMAGES]
    report.bench(rows, show)
    answer: dict[str, Any] = {"runs": rows}
    if wrong := [row for row in rows if row["mismatches"]]:
        names = ", ".join(f"{row['network']} on {row['engine']}" for row in wrong)
        raise Shortfall(f"the hardware does not give the reference's integers: {names}", answer)
    return answer


def _row(name: str, design: Design, x: np.ndarray, engine: str, show: Show) -> dict[str, Any]:
    """One network on one engine; only the reason, where the engine cannot run here."""
    row: dict[str, Any] = {"network": name, "engine": engine}
    try:
        with show.progress(f"{name} on {engine}", IMAGES[engine]) as progress:
            result = design.simulate(x[: IMAGES[engine]], ENGINES[engine], progress=progress)
    except Refusal as refusal:
        return {**row, **dict.fromkeys(_MEASURED), "note": str(refusal)}
    return {**row, **{key: getattr(result, key) for key in _MEASURED}, "note": ""}


if __name__ == "__main__":
    sys.exit(main())
