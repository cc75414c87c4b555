"""Post-training quantization: a float model and some samples become an integer model."""

from __future__ import annotations

import numpy as np

from ..errors import Refusal
from ..model.graph import Graph
from ..model.passes import simplify
from .calibrate import min_max
from .fixed import Format, check_bits
from .graph import QGraph, QNode, check_batch
from .ops.base import Setting


def quantize_graph(graph: Graph, samples: np.ndarray, *, weight_bits: int = 8, activation_bits: int = 8) -> QGraph:
    """Quantize every layer: symmetric, per-channel weights, per-tensor activations, min-max calibration.

    `samples` are real inputs `(n, *input_shape)`; both widths are from 2 to 16 bits. The model's output gets
    16 bits where its last layer is a sum of products. Raises `Refusal` on data or weights that cannot be used.
    """
    check_bits("weights", weight_bits)
    check_bits("activations", activation_bits)
    graph = simplify(graph)
    ranges = min_max(graph, check_batch(samples, graph.input_shape, "calibration data"))
    i = Format.covering(ranges[0].low, ranges[0].high, activation_bits)
    specs = [node.spec for node in graph.nodes]
    nodes: list[QNode] = []
    for index, (node, input_shape, output_shape) in enumerate(graph.walk()):
        following = specs[index + 1 :]
        reach = following[0].input_reach(activation_bits) if following else np.inf
        seen = ranges[index + 1]
        at = Setting(
            i, input_shape, output_shape, max(seen.low, -reach), min(seen.high, reach),
            weight_bits, activation_bits, last=all(spec.kind == "softmax" for spec in following),
        )  # fmt: skip
        nodes.append(node.spec.quantize(node, at))
        i = nodes[-1].o
    if not nodes:
        raise Refusal("the model has no layers; at least one is needed")
    return QGraph(graph.name, tuple(nodes))
