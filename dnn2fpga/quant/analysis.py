"""Where a quantized model loses: layer by layer, beside the float model, and each layer quantized alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..model.graph import INPUT, Graph, Weights
from .fixed import Format
from .floating import FloatFormat
from .graph import QGraph, QNode
from .histogram import BATCH

Accuracy = Callable[[np.ndarray], float]
"""Judges the float model's outputs `(n, *output_shape)` for all samples, in order."""


@dataclass(frozen=True)
class LayerReport:
    """What quantization does to the output of one layer, or to the model's input.

    `low` and `high` are the range of the float model's values; `clipped` is the share of them that the layer's
    format cannot hold; `sqnr` the signal-to-quantization-noise ratio in dB, of the integer model, all layers before
    included (infinite without noise); `lost` what the model's accuracy loses if this layer alone is quantized, as a
    share of the samples, None where that was not judged.
    """

    name: str
    low: float
    high: float
    clipped: float
    sqnr: float
    lost: float | None


def analyze(graph: Graph, qgraph: QGraph, x: np.ndarray, accuracy: Accuracy | None = None) -> list[LayerReport]:
    """A report on the input, then on each layer of `graph`, over real inputs `x` `(n, *input_shape)`.

    `qgraph` is `graph` quantized; its layers bear the same names, converters apart.
    """
    qnodes = {node.name: node for node in qgraph.nodes}
    places = {name: _Place() for name in (INPUT, *(node.name for node in graph.nodes))}
    outputs: dict[str, list[np.ndarray]] = {name: [] for name in places}  # of the float model, one place quantized
    in_floats: list[np.ndarray] = []
    for at in range(0, len(x), BATCH):
        batch = np.asarray(x[at : at + BATCH], np.float32)
        floats = {INPUT: batch, **{node.name: values for node, values in graph.trace(batch)}}
        integers = {node.name: node.spec.to_real(node, out) for node, out in qgraph.trace(batch)}
        if not qgraph.is_packed:
            places[INPUT].add(batch, qgraph.i.dequantize(qgraph.quantize_input(batch)), qgraph.i)
        for node in graph.nodes:
            # Softmax leaves logits as they are, and adds the winner; several outputs have no one format.
            found = integers[node.name].reshape(len(batch), -1)
            if not (node.spec.classifies or node.spec.packs):
                places[node.name].add(floats[node.name].reshape(len(batch), -1), found, qnodes[node.name].o)
        if accuracy is None:
            continue
        in_floats.append(floats[graph.nodes[-1].name])
        for name in places:
            outputs[name].append(_alone(graph, qgraph, qnodes, floats, name))
    lost: dict[str, float] = {}
    if accuracy is not None:
        before = accuracy(np.concatenate(in_floats))
        lost = {name: before - accuracy(np.concatenate(some)) for name, some in outputs.items()}
    return [
        place.report("input" if name == INPUT else name, lost.get(name))
        for name, place in places.items()
        if place.count
    ]


def _alone(
    graph: Graph, qgraph: QGraph, qnodes: dict[str, QNode], floats: dict[str, np.ndarray], name: str
) -> np.ndarray:
    """The float model's outputs if only what `name` gives is quantized; `floats` are its values without that."""
    last = floats[graph.nodes[-1].name]
    if name == INPUT:
        if qgraph.is_packed:
            return last
        y = in_format(floats[INPUT], qgraph.i)
    else:
        (node,) = (node for node in graph.nodes if node.name == name)
        qnode = qnodes[name]
        rounds = qnode.i != qnode.o or qnode.arrays or node.spec.rescales
        if node.spec.classifies or node.spec.packs or not rounds:
            return last  # it changes nothing
        weights = weights_in_hardware(node.weights, qnode)
        y = in_format(node.spec.run_float(weights, *(floats[source] for source in node.inputs)), qnode.o)
    changed = {name: y}
    for node in graph.nodes:
        if node.name != name and changed.keys() & set(node.inputs):
            arriving = (changed.get(source, floats[source]) for source in node.inputs)
            changed[node.name] = node.spec.run_float(node.weights, *arriving)
    return changed[graph.nodes[-1].name]


def weights_in_hardware(weights: Weights, qnode: QNode) -> Weights:
    """The weights of a layer as the reals that its integers and multipliers stand for; its bias hardly changes.

    A layer without multipliers has no kernel, or is in floating point: its weights are what they are.
    """
    if "kernel" not in weights or "multiplier" not in qnode.arrays:
        return weights
    assert isinstance(qnode.i, Format)
    assert isinstance(qnode.o, Format)
    scale = qnode.arrays["multiplier"] * 2.0 ** -qnode.scalars["shift"] * qnode.o.scale / qnode.i.scale
    return {**weights, "kernel": (qnode.arrays["kernel"] * scale).reshape(weights["kernel"].shape)}


def in_format(x: np.ndarray, fmt: Format | FloatFormat) -> np.ndarray:
    """Reals as the nearest ones that a format holds."""
    return fmt.dequantize(fmt.quantize(x))


class _Place:
    """Sums over batches at one place of the model."""

    def __init__(self) -> None:
        self.low, self.high = np.inf, -np.inf
        self.clipped = self.count = 0
        self.signal = self.noise = 0.0

    def add(self, values: np.ndarray, found: np.ndarray, fmt: Format | FloatFormat) -> None:
        """The float model's values, and the quantized one's."""
        values = np.asarray(values, np.float64)
        low, high = fmt.dequantize(np.array([fmt.minimum, fmt.maximum]))
        half = (high - low) / (2 * (fmt.maximum - fmt.minimum))
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        self.clipped += int(np.count_nonzero((values < low - half) | (values > high + half)))
        self.count += values.size
        self.signal += float(np.square(values).sum())
        self.noise += float(np.square(values - found).sum())

    def report(self, name: str, lost: float | None) -> LayerReport:
        """All of it."""
        sqnr = 10 * np.log10(self.signal / self.noise) if self.noise and self.signal else np.inf
        return LayerReport(name, self.low, self.high, self.clipped / self.count, float(sqnr), lost)
