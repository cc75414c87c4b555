"""The float model: a chain of layers with their weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol

import numpy as np

from ..errors import Refusal

Shape = tuple[int, ...]
"""The shape of one tensor, without the batch: `(height, width, channels)` or `(features,)`."""

Weights = Mapping[str, np.ndarray]


class Spec(Protocol):
    """What a layer is, without its weights: a frozen dataclass of hyperparameters, in `quant/ops/<kind>.py`."""

    kind: ClassVar[str]

    def output_shape(self, shape: Shape) -> Shape:
        """The shape that leaves the layer when `shape` enters. Raises `Refusal` if it cannot enter."""

    def weight_shapes(self, shape: Shape) -> Mapping[str, Shape]:
        """The shape that each weight must have when `shape` enters."""

    def run_float(self, weights: Weights, x: np.ndarray) -> np.ndarray:
        """The layer in floating point, on a batch `(n, *shape)`."""


@dataclass(frozen=True)
class Node:
    """One layer: its Keras name, its specification and its float weights by Keras's names for them."""

    name: str
    spec: Any  # a Spec; Any, since each kind adds fields of its own
    weights: Weights = field(default_factory=dict)

    def with_weights(self, **weights: np.ndarray) -> Node:
        """The same layer with some weights replaced."""
        return replace(self, weights={**self.weights, **weights})


@dataclass(frozen=True)
class Graph:
    """A chain of layers. `input_shape` is that of one tensor, without the batch."""

    name: str
    input_shape: Shape
    nodes: tuple[Node, ...]

    def walk(self) -> Iterator[tuple[Node, Shape, Shape]]:
        """Each node with its input and output shape. Raises `Refusal`, naming the layer that does not fit."""
        shape = self.input_shape
        for node in self.nodes:
            try:
                out = node.spec.output_shape(shape)
            except Refusal as refusal:
                raise Refusal(f"layer '{node.name}': {refusal}") from None
            yield node, shape, out
            shape = out

    @property
    def output_shape(self) -> Shape:
        """The shape of one output tensor."""
        return [self.input_shape, *(out for _, _, out in self.walk())][-1]

    def run(self, x: np.ndarray) -> np.ndarray:
        """The whole model in floating point, on a batch `(n, *input_shape)`."""
        for node in self.nodes:
            x = node.spec.run_float(node.weights, x)
        return x
