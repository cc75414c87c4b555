"""Runs data through a board and compares every output integer with the reference."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..quant.graph import QGraph
from .link import Link, Tensor, open_port
from .simulate import Mismatch, Simulation


def verify_board(
    qgraph: QGraph, record: Mapping[str, Any], port: str, x: np.ndarray, progress: Callable[[int], object]
) -> Simulation:
    """Run real inputs `x` `(n, *input_shape)` on the board at `port`, which holds the build of `record`.

    Images go one by one, so no interval between images is measured; the latency is the board's own count of
    cycles, its median. Raises `Refusal` if the port cannot be opened or the board holds another design,
    `Shortfall` if it does not answer.
    """
    baud, inputs = record["link"]["baud"], Tensor(**record["link"]["inputs"])
    busy_s = inputs.seconds(baud) + record["latency_cycles"] / (record["clock_mhz"] * 1e6)
    outputs, design_hash = Tensor(**record["link"]["outputs"]), bytes.fromhex(record["design_hash"])
    link = Link(open_port(port, baud, busy_s), inputs, outputs, design_hash)
    return verify_link(qgraph, link, x, progress)


def verify_link(qgraph: QGraph, link: Link, x: np.ndarray, progress: Callable[[int], object]) -> Simulation:
    """The same over a link that is already there."""
    q = qgraph.quantize_input(x)
    expected = qgraph.run_integers(q)
    link.check_design()
    start = time.monotonic()
    rows, cycles = [], []
    for done, image in enumerate(q, 1):
        row, taken = link.infer(image.reshape(-1).tolist())
        rows.append(row)
        cycles.append(taken)
        progress(done)
    seconds = time.monotonic() - start
    outputs = np.asarray(rows, np.int64).reshape(expected.shape)
    wrong = outputs != expected
    first = None
    if wrong.any():
        image, *position = (int(axis) for axis in np.argwhere(wrong)[0])
        at = (image, *position)
        first = Mismatch(image, qgraph.nodes[-1].name, tuple(position), int(expected[at]), int(outputs[at]))
    return Simulation("board", outputs, int(wrong.sum()), first, int(np.median(cycles)), None, seconds)
