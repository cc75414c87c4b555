"""Passes over the float graph: checks, and rewritings that compute the same with fewer layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

import numpy as np

from ..errors import Refusal
from .batch_norm import BatchNormalization
from .graph import Graph, Node, readers, rewired


def simplify(graph: Graph) -> Graph:
    """The graph that the quantizer takes: sound weights; batch normalization, ReLU and zeros fused where they can be.

    Its float results are those of `graph` up to float32 rounding. Raises `Refusal`, naming the layer, on
    weights that are not finite, and on a name given twice.
    """
    check_names(graph.nodes)
    check_weights(graph)
    graph = fold_zeros(fold_relu(fold_batch_norm(graph)))
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
    for node, input_shapes, _ in graph.walk():
        for name, shape in node.spec.weight_shapes(*input_shapes).items():
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
    """Melt each batch normalization into the kernel, whose last axis is the channels, and bias right before it."""

    def melt(before: Node | None, node: Node) -> Node | None:
        if not isinstance(node.spec, BatchNormalization) or before is None:
            return None
        if "kernel" not in before.weights or getattr(before.spec, "relu", False):
            return None
        try:
            return _scaled(before, *node.spec.slope_and_offset(node.weights))
        except Refusal as refusal:
            raise Refusal(f"layer '{node.name}': {refusal}") from None

    return _melted(graph, melt)


def _scaled(node: Node, slope: np.ndarray, offset: np.ndarray) -> Node:
    """The layer followed by `slope · y + offset`, both one a channel. What its channels shared, they share no more."""
    kernel, bias = node.weights["kernel"], node.weights["bias"]
    if getattr(node.spec, "shared", False):
        node = replace(node, spec=replace(node.spec, shared=False))
    return node.with_weights(
        kernel=(kernel * slope).astype(kernel.dtype), bias=(bias * slope + offset).astype(bias.dtype)
    )


def fold_relu(graph: Graph) -> Graph:
    """Fuse each ReLU into the layer right before it, where that layer's spec has a `relu` field.

    What stays, such as the upper limit of one that `rectifies`, is a layer of its own.
    """
    limited = {
        node.inputs[0]
        for node in graph.nodes
        if getattr(node.spec, "rectifies", False) and len(readers(graph.nodes, node.inputs[0])) == 1
    }
    graph = replace(
        graph,
        nodes=tuple(
            replace(node, spec=replace(node.spec, relu=True))
            if node.name in limited and hasattr(node.spec, "relu")
            else node
            for node in graph.nodes
        ),
    )

    def fuse(before: Node | None, node: Node) -> Node | None:
        only_rectifies = getattr(node.spec, "only_rectifies", False)
        if only_rectifies and before is not None and hasattr(before.spec, "relu"):
            return replace(before, spec=replace(before.spec, relu=True))
        return None

    return _melted(graph, fuse)


def fold_zeros(graph: Graph) -> Graph:
    """Make each layer of zeros around an image the border of the convolution right behind it, if it alone reads it.

    Its window then puts the zeros in itself. Zeros between pixels stay a layer, and so do those before a window that
    chooses its padding itself, or pools, where padding does not count, or finds nothing but zeros at some place.
    """

    def fuse(before: Node | None, node: Node) -> Node | None:
        window = getattr(node.spec, "window", None)
        zeros = None if before is None else getattr(before.spec, "border", None)
        if before is None or zeros is None:
            return None
        if window is None or not node.spec.has_kernel or window.padding != "valid":
            return None
        border = tuple(
            tuple(a + b for a, b in zip(*sides, strict=True)) for sides in zip(window.border, zeros, strict=True)
        )
        if any(max(sides) >= reach for sides, reach in zip(border, window.reach, strict=True)):
            return None  # whole windows of zeros
        spec = replace(node.spec, window=replace(window, border=border))
        return replace(node, spec=spec, inputs=before.inputs)

    return _melted(graph, fuse)


def _melted(graph: Graph, melt: Callable[[Node | None, Node], Node | None]) -> Graph:
    """The graph in which some layers are one with the layer before them.

    `melt(before, node)` gives what both become, called as one of them, None where both stay. `before` is None where
    there is none, or where others read it too.
    """
    nodes: dict[str, Node] = {}
    instead: dict[str, str] = {}
    for node in graph.nodes:
        only = len(node.inputs) == 1 and len(readers(graph.nodes, node.inputs[0])) == 1
        node = rewired(node, instead)
        before = nodes.get(node.inputs[0]) if only else None
        both = melt(before, node)
        if both is None:
            nodes[node.name] = node
        else:
            if before is not None and both.name != before.name:
                del nodes[before.name]
            nodes[both.name] = both
            instead[node.name] = both.name
    return replace(graph, nodes=tuple(nodes.values()))
