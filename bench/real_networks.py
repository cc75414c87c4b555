"""Whole networks of known designs, from Keras to the simulated hardware.

    pip install -e '.[bench]'
    DNN2FPGA_MODELS=models python bench/real_networks.py

Quantized to 8 bits, calibrated on random inputs, MLPerf Tiny's on those that they are judged on, planned, simulated by
CXXRTL, and compared with the reference integer by integer. `DNN2FPGA_MODELS` names a folder with MLPerf Tiny's files
(`docs/tflite.md`); without it they are left out. It writes `real_networks.json` to `--out`; `--only NAME` runs one.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras_networks as nets
import numpy as np
from made_with import made_with

import dnn2fpga as d2f
from dnn2fpga.flow.engines import Cxxrtl

CALIBRATION = 64
"""Random inputs calibrated on."""

BOARD = "ulx3s_85f"


@dataclass(frozen=True)
class Network:
    """A model or its file, inputs to calibrate on and to judge with, and the images a second that it is planned for.

    `classes` says how many there are, None where the model gives none; `rule` which of the calibrations to take.
    """

    model: Any
    calibration: np.ndarray
    x: np.ndarray
    fps: float
    classes: int | None = None
    rule: str = "min_max"


def of_noise(make: Callable[..., Any], fps: float, images: int, classes: int | None = None) -> Callable[[], Network]:
    """A network of our own, on random inputs."""

    def network() -> Network:
        model = nets.made(make)
        calibration, x = (nets.flat(nets.noise(model, n, seed)) for n, seed in ((CALIBRATION, 2), (images, 3)))
        return Network(model, calibration, x, fps, classes)

    return network


def resnet8() -> Network:
    """MLPerf Tiny's image classifier. It takes pixels from 0 to 255, the `.tflite` file pixels less 128.

    The least square error keeps all ten winners, the extremes lose one whose float scores are 0.125 apart.
    """
    x = given("resnet8").astype(np.float32) + 128
    return Network(folder() / "resnet8.h5", x, x, fps=40, classes=10, rule="mse")


def autoencoder() -> Network:
    """MLPerf Tiny's detector of anomalies; its `.tflite` file knows the scale of the inputs."""
    q = given("autoencoder")
    i = d2f.from_tflite(folder() / "autoencoder_int8.tflite").i
    x = i.dequantize(q.astype(np.int64)).astype(np.float32)
    return Network(folder() / "autoencoder.h5", x, x[:40], fps=500)


def folder() -> Path:
    """Where MLPerf Tiny's models are."""
    return Path(os.environ["DNN2FPGA_MODELS"])


def given(name: str) -> np.ndarray:
    """Its int8 inputs."""
    with np.load(folder() / f"{name}_inputs.npz") as data:
        return data["x"]


NETWORKS: dict[str, Callable[[], Network]] = {
    "depthwise-separable CNN, 49×10×1": of_noise(nets.keyword_spotting, 200, 20, 12),
    "1-D CNN, 128×6": of_noise(nets.sequence, 500, 50, 6),
    "U-shaped, 32×32×1": of_noise(nets.u_shaped, 50, 10),
    "two inputs, two outputs": of_noise(nets.two_and_two, 500, 20, 5),
    "autoencoder, MLPerf Tiny": autoencoder,
    "ResNet-8, MLPerf Tiny": resnet8,
    "MobileNetV1 0.25, 96×96×3": of_noise(nets.mobilenet, 20, 2, 2),
}


def main() -> None:
    """Run the networks, print a row for each, write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("bench/results"))
    parser.add_argument("--only", choices=NETWORKS)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "real_networks.json"
    rows: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    for name in [arguments.only] if arguments.only else NETWORKS:
        if "MLPerf" in name and "DNN2FPGA_MODELS" not in os.environ:
            continue
        rows[name] = {**run(NETWORKS[name]()), "with": made_with("amaranth", "keras", "numpy", "pyosys")}
        print(f"{name:34}" + "  ".join(f"{key} {value}" for key, value in rows[name].items()), flush=True)
        path.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def run(network: Network) -> dict[str, Any]:
    """A row: read, quantized, planned, simulated, compared with the float model."""
    seconds: dict[str, float] = {}

    def timed(what: str, do: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = do()
        seconds[what] = round(time.perf_counter() - start, 1)
        print(f"  {what} {seconds[what]} s", flush=True)
        return result

    graph = d2f.from_keras(network.model)
    qgraph = timed("quantize", lambda: d2f.quantize(graph, network.calibration, bits=8, calibration=network.rule))
    design = d2f.Design(qgraph, board=BOARD, fps=network.fps)
    plan = timed("plan", lambda: design.plan)
    simulation = timed("simulate", lambda: design.simulate(network.x, Cxxrtl()))
    expected, found = graph.run(network.x), qgraph.outputs_to_real(simulation.outputs)
    row = {
        "parameters": sum(array.size for node in graph.nodes for array in node.weights.values()),
        "bytes": qgraph.stored_bytes,
        "images": simulation.images, "mismatches": simulation.mismatches,
        "winners_of_float": winners(network, qgraph, expected, simulation.outputs),
        "signal_to_noise_db": ratio(expected, found) if network.classes is None else None,
        "cycles_per_image": simulation.cycles_per_image, "latency_cycles": simulation.latency_cycles,
        "planned_cycles_per_image": plan.cycles_per_image, "planned_latency_cycles": plan.latency_cycles,
        "clock_mhz": plan.clock_mhz, "board": BOARD, "fps": network.fps, "calibration": network.rule,
    }  # fmt: skip
    taken = plan.resources
    return {**row, "luts": taken.luts, "dsps": taken.dsps, "brams": taken.brams, "seconds": seconds}


def winners(network: Network, qgraph: d2f.QGraph, expected: np.ndarray, outputs: np.ndarray) -> int | None:
    """Images of which float model and hardware choose the same class; None where there are no classes."""
    if network.classes is None:
        return None
    found = qgraph.classify(outputs)
    return int((expected.reshape(len(expected), -1)[:, : network.classes].argmax(axis=1) == found).sum())


def ratio(expected: np.ndarray, found: np.ndarray) -> float:
    """Of the float model's outputs to what the integers differ by, in decibels."""
    expected, found = expected.reshape(len(expected), -1), found.reshape(len(expected), -1)
    return round(10 * float(np.log10(np.square(expected).sum() / np.square(expected - found).sum())), 1)


if __name__ == "__main__":
    main()
