"""Where a quantized model loses: layer by layer, beside the float model, and each layer quantized alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..model.graph import Graph, Weights
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
    places = [_Place(), *(_Place() for _ in graph.nodes)]
    outputs: list[list[np.ndarray]] = [[] for _ in range(len(places) + 1)]  # of the float model, then by place alone
    for at in range(0, len(x), BATCH):
        batch = np.asarray(x[at : at + BATCH], np.float32)
        floats = [batch]
        for node in graph.nodes:
            floats.append(node.spec.run_float(node.weights, floats[-1]))
        q = qgraph.quantize_input(batch)
        integers = {node.name: node.o.dequantize(out) for node, out in qgraph.trace(batch)}
        places[0].add(batch, qgraph.i.dequantize(q), qgraph.i)
        for place, node, values in zip(places[1:], graph.nodes, floats[1:], strict=True):
            # Softmax leaves logits as they are, and adds the winner.
            found = integers[node.name].reshape(len(batch), -1)
            if node.spec.kind != "softmax":
                place.add(values.reshape(len(batch), -1), found, qnodes[node.name].o)
        if accuracy is None:
            continue
        outputs[0].append(floats[-1])
        for index in range(len(places)):
            outputs[index + 1].append(_alone(graph, qgraph.i, qnodes, floats, index))
    lost: list[float | None] = [None] * len(places)
    if accuracy is not None:
        before, *alone = (accuracy(np.concatenate(some)) for some in outputs)
        lost = [before - after for after in alone]
    names = ("input", *(node.name for node in graph.nodes))
    return [place.report(name, loss) for name, place, loss in zip(names, places, lost, strict=True) if place.count]


def _alone(
    graph: Graph, i: Format | FloatFormat, qnodes: dict[str, QNode], floats: list[np.ndarray], index: int
) -> np.ndarray:
    """The float model's outputs if only place `index`, 0 for the input, is quantized."""
    if index == 0:
        y = in_format(floats[0], i)
    else:
        node = graph.nodes[index - 1]
        qnode = qnodes[node.name]
        if node.spec.kind == "softmax" or (qnode.i == qnode.o and not qnode.arrays):
            return floats[-1]  # it changes nothing
        y = in_format(node.spec.run_float(weights_in_hardware(node.weights, qnode), floats[index - 1]), qnode.o)
    for node in graph.nodes[index:]:
        y = node.spec.run_float(node.weights, y)
    return y


def weights_in_hardware(weights: Weights, qnode: QNode) -> Weights:
    """The weights of a layer as the reals that its integers and multipliers stand for; its bias hardly changes.

    A layer without multipliers has no kernel, or is in floating point: its weights are what they are.
    """
    if "multiplier" not in qnode.arrays:
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
