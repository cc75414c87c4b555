"""Passes over the float graph: checks, and rewritings that compute the same with fewer layers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

import numpy as np

from ..errors import Refusal
from .batch_norm import BatchNormalization
from .graph import Graph, Node


def simplify(graph: Graph) -> Graph:
    """The graph that the quantizer takes: sound weights, no batch normalization, ReLU fused where it can be.

    Its float results are those of `graph` up to float32 rounding. Raises `Refusal`, naming the layer, on
    weights that are not finite, on batch normalization that cannot be folded, and on a name given twice.
    """
    check_names(graph.nodes)
    check_weights(graph)
    graph = fold_relu(fold_batch_norm(graph))
    check_weights(graph)  # folding may overflow
    return graph


class Named(Protocol):
    """Anything with a name: a node, in floats or in integers."""

    @property
    def name(self) -> str:
        """The layer's name."""


def check_names(nodes: Iterable[Named]) -> None:
    """Raise `Refusal` if two nodes have one name, by which files and hardware tell them apart."""
    seen = set()
    for node in nodes:
        if node.name in seen:
            raise Refusal(f"two layers are called '{node.name}'; give each a name of its own")
        seen.add(node.name)


def check_weights(graph: Graph) -> None:
    """Raise `Refusal`, by name, unless all weights are there, finite, and of the right shape."""
    for node, input_shape, _ in graph.walk():
        for name, shape in node.spec.weight_shapes(input_shape).items():
            if name not in node.weights:
                raise Refusal(f"layer '{node.name}': {name} is missing; an array of shape {shape} is needed")
            weight = node.weights[name]
            if weight.shape != shape:
                raise Refusal(f"layer '{node.name}': {name} has shape {weight.shape}; {shape} is needed")
            bad = np.count_nonzero(~np.isfinite(weight))
            if bad:
                what = "NaN" if np.isnan(weight).any() else "infinite values"
                raise Refusal(
                    f"layer '{node.name}': {name} holds {what} ({bad} of {weight.size} values); "
                    "every weight must be finite: train the model again, or load an earlier checkpoint"
                )


def fold_batch_norm(graph: Graph) -> Graph:
    """Melt each batch normalization into the kernel, whose last axis is the channels, and bias before it."""
    nodes: list[Node] = []
    for node in graph.nodes:
        if not isinstance(node.spec, BatchNormalization):
            nodes.append(node)
            continue
        before = nodes[-1] if nodes else None
        if before is None or "kernel" not in before.weights or getattr(before.spec, "relu", False):
            place = f"after '{before.name}'" if before else "at the start of the model"
            raise Refusal(
                f"layer '{node.name}': batch normalization {place} is not supported; "
                "put it directly after a layer with a kernel, before its activation"
            )
        try:
            nodes[-1] = _scaled(before, *node.spec.slope_and_offset(node.weights))
        except Refusal as refusal:
            raise Refusal(f"layer '{node.name}': {refusal}") from None
    return replace(graph, nodes=tuple(nodes))


def _scaled(node: Node, slope: np.ndarray, offset: np.ndarray) -> Node:
    """The layer followed by `slope · y + offset`, both one a channel."""
    kernel, bias = node.weights["kernel"], node.weights["bias"]
    return node.with_weights(
        kernel=(kernel * slope).astype(kernel.dtype), bias=(bias * slope + offset).astype(bias.dtype)
    )


def fold_relu(graph: Graph) -> Graph:
    """Fuse each ReLU into the layer right before it, where that layer's spec has a `relu` field."""
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.spec.kind == "relu" and nodes and hasattr(nodes[-1].spec, "relu"):
            nodes[-1] = replace(nodes[-1], spec=replace(nodes[-1].spec, relu=True))
        else:
            nodes.append(node)
    return replace(graph, nodes=tuple(nodes))
