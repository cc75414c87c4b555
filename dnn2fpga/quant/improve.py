"""Better quantization after training, on the float graph: cross-layer equalization, and bias correction.

Both take a simplified graph (`model.passes.simplify`) and give one with other weights and biases to be quantized in
its stead. Neither helps every model: measure with and without.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ..model.graph import INPUT, Graph, Node, Weights, readers
from .analysis import in_format, weights_in_hardware
from .graph import QGraph, QNode
from .histogram import BATCH

SWEEPS = 100
"""Most sweeps of equalization over a model."""

SETTLED = 1.01
"""Equalization ends once a sweep scales no channel by more than this factor."""


def equalize(graph: Graph) -> Graph:
    """Cross-layer equalization: Nagel et al. 2019, "Data-Free Quantization through Weight Equalization and Bias
    Correction", section 4.1.

    Where only layers f with f(s x) = s f(x) for every s > 0 (`homogeneous`) lie between two layers with kernels,
    each channel between them may be divided by a factor in the first and multiplied in the second. The factor that
    makes the greatest weights of both alike, sqrt(first / second), leaves most of the range to most channels; pairs
    influence each other and are swept over until they settle. Channels whose weights are all 0 on either side stay.
    The float function is the same up to rounding.
    """
    nodes = {node.name: node for node in graph.nodes}
    pairs = list(_pairs(graph))
    for _ in range(SWEEPS):
        greatest = 1.0
        for first, second in pairs:
            factor = _factor(nodes[first], nodes[second])
            nodes[first], nodes[second] = _moved(nodes[first], nodes[second], factor)
            greatest = max(greatest, factor.max(), (1 / factor).max())
        if greatest <= SETTLED:
            break
    return replace(graph, nodes=tuple(nodes.values()))


def _pairs(graph: Graph) -> Iterator[tuple[str, str]]:
    """The names of layers with kernels between which a channel may be scaled: nothing else reads what lies between."""
    weights = {node.name: node.weights for node in graph.nodes}
    scaled_by: dict[str, str] = {}  # by which layer with a kernel the channels of a tensor may be scaled
    for node in graph.nodes:
        first = scaled_by.get(node.inputs[0]) if len(readers(graph.nodes, node.inputs[0])) == 1 else None
        if node.spec.has_kernel:
            if first is not None and _sums_over_channels(weights[first], node.weights):
                yield first, node.name
            scaled_by[node.name] = node.name
        elif node.spec.homogeneous and first is not None:
            scaled_by[node.name] = first


def _sums_over_channels(first: Weights, second: Weights) -> bool:
    """Whether each sum of the second layer goes over all channels of the first; not if it has groups of them."""
    return second["kernel"].shape[-2] % first["kernel"].shape[-1] == 0


def _by_channel(first: Node, second: Node) -> tuple[np.ndarray, np.ndarray]:
    """The kernels as `(k, channels)` and `(k, channels, outputs)`: channels are innermost in every tensor."""
    a, b = (np.asarray(node.weights["kernel"], np.float64) for node in (first, second))
    channels = a.shape[-1]
    return a.reshape(-1, channels), b.reshape(-1, channels, b.shape[-1])


def _factor(first: Node, second: Node) -> np.ndarray:
    a, b = _by_channel(first, second)
    greatest_a, greatest_b = np.abs(a).max(axis=0), np.abs(b).max(axis=(0, 2))
    scalable = (greatest_a > 0) & (greatest_b > 0)
    ratio = np.divide(greatest_a, greatest_b, out=np.ones_like(greatest_a), where=scalable)
    return np.sqrt(ratio)


def _moved(first: Node, second: Node, factor: np.ndarray) -> tuple[Node, Node]:
    """Both layers, each channel between them divided by its factor."""
    a, b = _by_channel(first, second)
    bias = np.asarray(first.weights["bias"], np.float64)
    first = _with(first, kernel=a / factor, bias=bias / factor)
    return first, _with(second, kernel=b * factor[:, np.newaxis])


def _with(node: Node, **weights: np.ndarray) -> Node:
    """The layer with new weights in the shapes and types of the old ones."""
    old = node.weights
    return node.with_weights(
        **{name: new.reshape(old[name].shape).astype(old[name].dtype) for name, new in weights.items()}
    )


def correct_biases(graph: Graph, qgraph: QGraph, samples: np.ndarray) -> Graph:
    """Empirical bias correction: Nagel et al. 2019, section 4.2 and appendix D.

    `qgraph` is `graph` quantized, and `samples` `(n, *input_shape)` are real inputs. Layer by layer, the mean of
    (float sum - quantized sum) over the samples and positions, one a channel, is added to the bias, which takes away
    what rounding and clipping, of weights and of all layers before, add on average. The quantized sum is what the
    integer layer computes before it is brought to the output's format, in floats: the input in its format, times the
    integer weights in the scale that the multiplier gives them, plus the bias. Layers behind see the corrected one.
    The formats stay good: quantize the result with those of `qgraph`.

    A mean is right on average only: where coarse weights also change the size of the sums, as ternary ones do, outputs
    far from the mean, such as a winner's logit, come out worse than before. `weights.norm_corrected` mends the size;
    Banner et al. 2019 (section 3.3) correct both.
    """
    nodes = {node.name: node for node in graph.nodes}
    for node in graph.nodes:
        if node.spec.has_kernel:
            error = _mean_error(graph, replace(graph, nodes=tuple(nodes.values())), qgraph, node, samples)
            nodes[node.name] = _with(node, bias=np.asarray(node.weights["bias"], np.float64) + error)
    return replace(graph, nodes=tuple(nodes.values()))


def _mean_error(graph: Graph, corrected: Graph, qgraph: QGraph, node: Node, samples: np.ndarray) -> np.ndarray:
    """The mean of (float sum - quantized sum) of `node`, one a channel."""
    qnodes = {qnode.name: qnode for qnode in qgraph.nodes}  # the float graphs have no converters
    channels = node.weights["bias"].shape[0]
    sums = replace(node, spec=replace(node.spec, relu=False))
    total, count = np.zeros(channels), 0
    for first in range(0, len(samples), BATCH):
        x = np.asarray(samples[first : first + BATCH], np.float64)
        floats, quantized = {INPUT: x}, {INPUT: x}
        for before, other in zip(graph.nodes, corrected.nodes, strict=True):
            if before.name == node.name:
                break
            floats[before.name] = before.spec.run_float(before.weights, *(floats[name] for name in before.inputs))
            found = _run_quantized(other, qnodes[before.name], [quantized[name] for name in other.inputs])
            quantized[before.name] = in_format(found, qnodes[before.name].o)
        error = sums.spec.run_float(sums.weights, *(floats[name] for name in sums.inputs))
        error = error - _run_quantized(sums, qnodes[sums.name], [quantized[name] for name in sums.inputs])
        total += error.reshape(-1, channels).sum(axis=0)
        count += error.size // channels
    return total / count


def _run_quantized(node: Node, qnode: QNode, ys: Sequence[np.ndarray]) -> np.ndarray:
    """What a layer computes before its output is brought to its format, in floats.

    A format that arrives is not that of the layer before if there is a converter between them.
    """
    arriving = (in_format(y, other.fmt) for y, other in zip(ys, qnode.arriving, strict=True))
    return node.spec.run_float(weights_in_hardware(node.weights, qnode), *arriving)
