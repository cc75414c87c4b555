"""The seed network in every kind of number: accuracy, size, cycles, and the hardware against the reference.

    pip install -e '.[bench]'
    python bench/variants.py --data mnist9k.npz

`--data` is an `.npz` with `x_train`, `y_train`, `x_test`, `y_test`, images as uint8 `(n, 28, 28)`. Calibrated, trained
on the training part, judged on the test part, simulated by CXXRTL. It writes `variants.json` to `--out`. Training takes
minutes a variant; `--only NAME` runs one.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from made_with import made_with

import dnn2fpga as d2f
from dnn2fpga import LayerBits, Scheme, shipped
from dnn2fpga.dataset import Dataset, read_dataset
from dnn2fpga.flow.engines import ENGINES
from dnn2fpga.quant.graph import QGraph
from dnn2fpga.quant.optimizer import Optimizer
from dnn2fpga.quant.qat import Training, fine_tune

BOARD, FPS = "ulx3s_85f", 5_000
IMAGES = 100
CONVOLUTIONS = frozenset({"conv2d", "conv2d_1"})


@dataclass(frozen=True)
class Variant:
    """A way to quantize the network; trained on if `training` says how; planned for `fps` images a second."""

    scheme: Scheme
    training: Training | None = None
    fps: float = FPS
    images: int = IMAGES


def partial(float_format: str) -> Variant:
    """The convolutions in floating point."""
    return Variant(Scheme(floating=CONVOLUTIONS, float_format=float_format), fps=800)


XNOR = Scheme(
    sign=True, calibration="mse",
    layers={"conv2d": LayerBits(8, 1), "conv2d_1": LayerBits(1, 8), "dense": LayerBits(8, 16)},
)  # fmt: skip
"""Binary weights and activations in the middle; the first and the last layer have 8-bit weights and inputs."""

VARIANTS = {
    "int8": Variant(Scheme(), images=1000),
    "int16": Variant(Scheme(16, 16), fps=2_000),
    "5-bit asymmetric": Variant(Scheme(5, 5, symmetric=False, calibration="mse")),
    "8-bit power of two": Variant(Scheme(power_of_two=True)),
    "4-bit": Variant(Scheme(4, 4, calibration="mse")),
    "4-bit, trained on": Variant(Scheme(4, 4, calibration="mse"), Training()),
    "3-bit, trained on": Variant(Scheme(3, 3, calibration="mse"), Training()),
    "ternary, trained on": Variant(Scheme(2, 8), Training()),
    "XNOR, trained on": Variant(XNOR, Training()),
    "float32 convolutions": partial("float32"),
    "bfloat16 convolutions": partial("bfloat16"),
    "float16 convolutions": partial("float16"),
}


def main() -> None:
    """Run the variants, print a row for each, write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("bench/results"))
    parser.add_argument("--only", choices=VARIANTS)
    arguments = parser.parse_args()
    data = read_dataset(arguments.data)
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "variants.json"
    rows: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    for name in [arguments.only] if arguments.only else VARIANTS:
        row = run(VARIANTS[name], data)
        print(f"{name:24}" + "  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
        rows[name] = {**row, "with": made_with("amaranth", "numpy", "pyosys")}
        path.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


def run(variant: Variant, data: Dataset) -> dict[str, Any]:
    """A row: quantized, judged, planned, simulated."""
    start = time.perf_counter()
    qgraph = quantized(variant, data)
    seconds = time.perf_counter() - start
    found = qgraph.classify(qgraph.run(data.x_judge))
    design = d2f.Design(qgraph, board=BOARD, fps=variant.fps)
    simulation = design.simulate(data.x_judge[: variant.images], ENGINES["cxxrtl"])
    taken = design.plan.resources
    return {
        "accuracy": float((found == data.y_judge).mean()), "bytes": qgraph.stored_bytes, "seconds": round(seconds),
        "images": simulation.images, "mismatches": simulation.mismatches,
        "cycles_per_image": simulation.cycles_per_image, "latency_cycles": simulation.latency_cycles,
        "luts": taken.luts, "ffs": taken.ffs, "dsps": taken.dsps, "brams": taken.brams,
    }  # fmt: skip


def quantized(variant: Variant, data: Dataset) -> QGraph:
    """The integer model, after training or trained on."""
    graph = d2f.load(shipped.model_folder("mnist_cnn"))
    assert isinstance(graph, d2f.Graph)

    def tune(student: d2f.Graph, scheme: Scheme, formats: Any) -> Any:
        assert variant.training is not None
        x, y = data.x_calibrate, data.y_calibrate
        tuned = fine_tune(student, scheme, formats, x, y, variant.training, teacher=graph)
        return tuned.graph, tuned.formats

    optimizer = Optimizer(graph, variant.scheme, data.x_calibrate, tune=tune)
    first = optimizer.ptq()
    return (first if variant.training is None else optimizer.qat(first.graph)).qgraph


if __name__ == "__main__":
    main()
