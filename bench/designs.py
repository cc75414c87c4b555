"""Our rows of the comparison: networks with what they are planned for, and a row measured."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from limit import TooLong, within
from networks import jet_mlp, seed_cnn, tiny_cnn
from open_flow import BOARD, not_routed, placed, synthesized

import dnn2fpga as d2f
from dnn2fpga.errors import Refusal, Shortfall
from dnn2fpga.hw.resources import BOUNDLESS, Resources
from dnn2fpga.quant.graph import QGraph

IMAGES = 100
"""Simulated at most; fewer where that would take long."""
MOST_CYCLES = 5_000_000
"""Simulated."""


@dataclass(frozen=True)
class Ours:
    """What a network is planned for; `most` is what it may take of the chip, where that is not all."""

    network: Callable[[], QGraph]
    fps: float | None = None
    clock_mhz: float | None = None
    most: Resources = BOUNDLESS

    def design(self) -> d2f.Design:
        """The design, not yet planned."""
        return d2f.Design(self.network(), board=BOARD, fps=self.fps, clock_mhz=self.clock_mhz, most=self.most)


def tflite(name: str) -> Callable[[], QGraph]:
    """One of MLPerf Tiny's files."""
    return lambda: d2f.from_tflite(models() / f"{name}_int8.tflite")


def models() -> Path:
    """Where MLPerf Tiny's files are."""
    return Path(os.environ["DNN2FPGA_MODELS"])


NNGEN = Resources(luts=83_640, ffs=33_320, dsps=11, brams=85)
"""What NNgen's seed CNN takes, and the chip's LUTs, of which it takes more."""

OURS = {
    "seed CNN/ours, a pixel a clock": Ours(seed_cnn, fps=153_000, clock_mhz=120),
    "seed CNN/ours, 10,000 images/s": Ours(seed_cnn, fps=10_000),
    "seed CNN/ours, within NNgen's resources": Ours(seed_cnn, fps=6_250, most=NNGEN),
    "jet MLP/ours, 4 bits, an inference a clock": Ours(lambda: jet_mlp(4), fps=120e6, clock_mhz=120),
    "jet MLP/ours, 8 bits, smallest": Ours(lambda: jet_mlp(8), fps=1),
    "jet MLP/ours, 8 bits, 250,000 images/s": Ours(lambda: jet_mlp(8), fps=250_000),
    "tiny CNN/ours, 8 bits, smallest": Ours(lambda: tiny_cnn(8), fps=1),
    "tiny CNN/ours, 8 bits, a pixel a clock": Ours(lambda: tiny_cnn(8)),
    "ResNet-8/ours, 100 images/s": Ours(tflite("resnet8"), fps=100),
    "autoencoder/ours, 10,000 images/s": Ours(tflite("autoencoder"), fps=10_000),
}


def measured(ours: Ours, out: Path, minutes: float) -> dict[str, Any]:
    """Planned, made Verilog of, simulated, and built in the folder `out`, with the link to the host."""
    design = ours.design()
    start = time.perf_counter()
    plan = design.plan
    design.verilog()
    seconds = time.perf_counter() - start
    figures = {
        "cycles_per_image": plan.cycles_per_image, "latency_cycles": plan.latency_cycles,
        "goal_mhz": design.clock_mhz, "seconds_to_verilog": seconds,
        "planned": {name: getattr(plan.resources, name) for name in ("luts", "ffs", "dsps", "brams")},
    }  # fmt: skip
    return {**figures, **_simulated(design), **_built(design, out, minutes)}


def _simulated(design: d2f.Design) -> dict[str, Any]:
    """Speed in simulation, every integer compared. Asserts that they and the plan's cycles are right."""
    plan, fmt = design.plan, design.qgraph.i
    images = max(3, min(IMAGES, MOST_CYCLES // plan.cycles_per_image))
    shape = (images, *design.qgraph.input_shape)
    x = np.random.default_rng(1).integers(fmt.minimum, fmt.maximum + 1, size=shape)
    try:
        result = design.simulate(fmt.dequantize(x))
    except Refusal as refusal:
        return {"note": f"not simulated: {refusal}"}
    assert result.mismatches == 0, result.first
    assert (result.cycles_per_image, result.latency_cycles) == (plan.cycles_per_image, plan.latency_cycles)
    return {"simulated_images_per_second": result.images_per_second, "simulator": result.engine}


def _built(design: d2f.Design, out: Path, minutes: float) -> dict[str, Any]:
    """What the product's own build gives, whether it meets its clock or not."""

    def build() -> dict[str, Any]:
        try:
            return design.build(out)
        except Shortfall as shortfall:
            return {**shortfall.figures, "note": str(shortfall)}

    try:
        found = within(minutes, build)
    except TooLong:
        found = {**placed(out), "note": not_routed(minutes)}
    kept = ("luts", "ffs", "dsps", "brams", "fmax_mhz", "note")
    return {"lut4": synthesized(out)["lut4"], **{name: found[name] for name in kept if name in found}}
