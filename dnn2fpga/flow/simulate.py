"""Runs a plan's hardware on an engine, compares every output integer with the reference, and measures the cycles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..hw.pipeline import Pipeline
from ..hw.plan import Plan
from ..hw.schedule import interval
from ..quant.graph import QGraph
from .engines import Engine, Part, Pysim, Stalls, Trace
from .engines.base import PATIENCE

PART = 25
"""Images of a run at most. More are dealt in parts, each a run from reset, as many at once as there are cores.

Not the machine but the number of images decides on the parts, so that the same pauses come everywhere. Without pauses
a part is the beginning of what one run of all would be, in the same cycles, as no layer's timing knows values.
"""


@dataclass(frozen=True)
class Mismatch:
    """The first output integer that differs: of which image, from which layer on, and where in the layer's output."""

    image: int
    layer: str
    position: tuple[int, ...]
    expected: int
    found: int

    def __str__(self) -> str:
        where = ", ".join(map(str, self.position))
        return (
            f"image {self.image}, layer '{self.layer}', position ({where}): "
            f"the hardware gives {self.found}, the reference {self.expected}"
        )


@dataclass(frozen=True)
class Simulation:
    """What was simulated and measured.

    `outputs` are the hardware's integers `(images, *output_shape)`, `mismatches` how many of them differ from the
    reference's. `latency_cycles` is that of the first image, `cycles_per_image` the median interval between the last
    words of two neighbors in a run (None for one image); `seconds` is the time that the simulator took for all.
    """

    engine: str
    outputs: np.ndarray
    mismatches: int
    first: Mismatch | None
    latency_cycles: int
    cycles_per_image: int | None
    seconds: float

    @property
    def images(self) -> int:
        """How many were simulated."""
        return len(self.outputs)

    @property
    def images_per_second(self) -> float:
        """Speed of the simulation, compiling apart."""
        return self.images / self.seconds


def simulate(
    plan: Plan,
    qgraph: QGraph,
    x: np.ndarray,
    engine: Engine,
    *,
    stalls: Stalls | None = None,
    vcd: Path | None = None,
    progress: Callable[[int], object] = lambda images: None,
) -> Simulation:
    """Run real inputs `x` `(n, *input_shape)` through the hardware of `plan`.

    `stalls` pauses source and sink at random; `vcd` names a waveform to write, which the engine pysim does, in one
    run whatever the number of images; `progress` is told how many images are done. Raises `Refusal` on inputs that do
    not fit, or if the engine cannot run.
    """
    q = qgraph.quantize_input(x)
    expected = qgraph.run_integers(q)
    if vcd is None:
        parts, drawing = np.array_split(q, -(-len(q) // PART)), engine
    else:
        parts, drawing = [q], Pysim(vcd)
    traces = _run(plan, parts, drawing, stalls, lambda words: progress(words // plan.words_out))
    outputs = np.concatenate([trace.words for trace in traces]).reshape(expected.shape)
    done = [trace.given[plan.words_out - 1 :: plan.words_out] for trace in traces]
    wrong = outputs != expected
    return Simulation(
        engine=engine.name,
        outputs=outputs,
        mismatches=int(wrong.sum()),
        first=_locate(plan, qgraph, q, engine, stalls, outputs, expected) if wrong.any() else None,
        latency_cycles=int(done[0][0] - traces[0].taken[0]),
        cycles_per_image=interval(*(cycles.tolist() for cycles in done)) if len(q) > 1 else None,
        seconds=max(trace.ended for trace in traces) - min(trace.began for trace in traces),
    )


def _run(
    plan: Plan, parts: Sequence[np.ndarray], engine: Engine, stalls: Stalls | None, progress: Callable[[int], object]
) -> list[Trace]:
    runs = [Part(part.reshape(-1, plan.start.lanes), len(part) * plan.words_out) for part in parts]
    # A slow plan moves no word at its ends for as long as it works on an image, and pauses make it slower.
    patience = PATIENCE + 4 * plan.latency_cycles
    return engine.run_parts(Pipeline(plan), runs, stalls=stalls, patience=patience, progress=progress)


def _locate(
    plan: Plan,
    qgraph: QGraph,
    q: np.ndarray,
    engine: Engine,
    stalls: Stalls | None,
    outputs: np.ndarray,
    expected: np.ndarray,
) -> Mismatch:
    """The first wrong image, and the first layer that is wrong on it: pipelines cut short are run for that."""
    image = int(np.argmax((outputs != expected).reshape(len(q), -1).any(axis=1)))
    found, layer = outputs[image], plan.layers[-1]
    reference = {node.name: y for node, y in qgraph.trace_integers(q[image : image + 1])}
    for layer_before in plan.layers[:-1]:
        node = layer_before.node
        words = _run(plan.up_to(node.name), [q[image : image + 1]], engine, stalls, lambda words: None)[0].words
        if (words.reshape(-1) != reference[node.name].reshape(-1)).any():
            found, layer = words.reshape(node.output_shape), layer_before
            break
    right = reference[layer.node.name][0]
    position = tuple(int(axis) for axis in np.argwhere(found != right)[0])
    return Mismatch(image, layer.node.name, position, int(right[position]), int(found[position]))
