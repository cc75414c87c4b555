"""The peers' rows of the comparison: what each is asked for, and a row measured."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from designs import models
from environments import needs, python_of, run
from limit import TooLong, within
from networks import jet_mlp, tiny_cnn
from open_flow import implement

from dnn2fpga.quant.graph import QGraph


@dataclass(frozen=True)
class Peer:
    """A script of `bench/peers`, its arguments, the environment it runs in (None: ours), programs that it needs.

    `same` is our own integer model of the same weights and formats, where there is one.
    """

    script: str
    arguments: Callable[[Path], list[str]]
    environment: str | None = None
    programs: tuple[str, ...] = ()
    same: Callable[[], QGraph] | None = None


def nngen(network: str, parallel: int) -> Peer:
    """Some channels at once."""
    arguments = lambda out: [network, str(parallel), str(out)]  # noqa: E731
    return Peer("nngen_verilog.py", arguments, "nngen", ("verilator", "make", "g++"))


def alkaid(network: str, bits: int, same: Callable[[], QGraph]) -> Peer:
    """Weights of some bits."""
    return Peer("alkaid_verilog.py", lambda out: [network, str(bits), str(out)], "alkaid", ("iverilog", "vvp"), same)


def hls4ml(network: str) -> Peer:
    """In its default precision."""
    return Peer("hls4ml_emulation.py", lambda out: [network, str(out / "project")], "hls4ml", ("g++",))


def tflite(network: str) -> Peer:
    """On this machine's processor."""
    return Peer("tflite_on_cpu.py", lambda out: [network])


def tflite_file(name: str) -> Peer:
    """One of MLPerf Tiny's files, on this machine's processor."""
    return Peer("tflite_on_cpu.py", lambda out: [str(models() / f"{name}_int8.tflite")])


PEERS = {
    "seed CNN/NNgen 1×1": nngen("seed_cnn", 1),
    "seed CNN/hls4ml, emulated": hls4ml("seed_cnn"),
    "seed CNN/TFLite int8, CPU": tflite("seed_cnn"),
    "jet MLP/NNgen 1×1": nngen("jet_mlp", 1),
    "jet MLP/NNgen 4×4": nngen("jet_mlp", 4),
    "jet MLP/alkaid, 4 bits": alkaid("jet_mlp", 4, lambda: jet_mlp(4)),
    "jet MLP/alkaid, 6 bits": alkaid("jet_mlp", 6, lambda: jet_mlp(6)),
    "jet MLP/hls4ml, emulated": hls4ml("jet_mlp"),
    "jet MLP/TFLite int8, CPU": tflite("jet_mlp"),
    "tiny CNN/NNgen 1×1": nngen("tiny_cnn", 1),
    "tiny CNN/alkaid, 8 bits": alkaid("tiny_cnn", 8, lambda: tiny_cnn(8)),
    "tiny CNN/hls4ml, emulated": hls4ml("tiny_cnn"),
    "tiny CNN/TFLite int8, CPU": tflite("tiny_cnn"),
    "ResNet-8/TFLite int8, CPU": tflite_file("resnet8"),
    "autoencoder/TFLite int8, CPU": tflite_file("autoencoder"),
}


def measured(peer: Peer, out: Path, minutes: float) -> dict[str, Any]:
    """What its script says, and, where that made Verilog, what the open flow gives.

    Raises `NotHere` if it cannot be run on this machine.
    """
    needs(*peer.programs)
    python = python_of(peer.environment) if peer.environment else Path(sys.executable)
    try:
        said = within(minutes, lambda: run(python, peer.script, peer.arguments(out), out / "peer.log"))
    except TooLong:
        return {"note": f"gave nothing in {minutes:g} minutes"}
    figures = json.loads(said)
    if peer.same is not None:
        qgraph, inputs = peer.same(), np.load(out / "inputs.npy")
        ours = qgraph.run_integers(inputs.reshape(-1, *qgraph.input_shape))
        assert (ours.reshape(len(ours), -1) == np.load(out / "outputs.npy")).all(), "it computes another network"
    if "sources" not in figures:
        return figures
    sources, top, clock = (figures.pop(name) for name in ("sources", "top", "clock"))
    return {**figures, **implement([Path(source) for source in sources], top, clock, out, minutes)}
