"""The float model: layers with their weights, each reading what earlier ones give."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np

from ..errors import Refusal

Shape = tuple[int, ...]
"""The shape of one tensor, without the batch: `(height, width, channels)` or `(features,)`."""

Weights = Mapping[str, np.ndarray]

INPUT = "/input"
"""What layers call the model's input among their own; Keras allows no layer a name with a slash."""


class Spec(Protocol):
    """What a layer is, without its weights: a frozen dataclass of hyperparameters, in `quant/ops/<kind>.py`.

    A layer that reads several tensors takes as many shapes and arrays.
    """

    kind: ClassVar[str]

    def output_shape(self, *shapes: Shape) -> Shape:
        """The shape that leaves the layer when `shapes` enter. Raises `Refusal` if they cannot enter."""

    def weight_shapes(self, *shapes: Shape) -> Mapping[str, Shape]:
        """The shape that each weight must have when `shapes` enter."""

    def run_float(self, weights: Weights, *xs: np.ndarray) -> np.ndarray:
        """The layer in floating point, on a batch `(n, *shape)`."""


@dataclass(frozen=True)
class Node:
    """One layer: its Keras name, its specification and its float weights by Keras's names for them.

    `inputs` are the names of the layers that it reads, or `INPUT`; a graph takes none for the layer before it.
    """

    name: str
    spec: Any  # a Spec; Any, since each kind adds fields of its own
    weights: Weights = field(default_factory=dict)
    inputs: tuple[str, ...] = ()

    def with_weights(self, **weights: np.ndarray) -> Node:
        """The same layer with some weights replaced."""
        return replace(self, weights={**self.weights, **weights})


class Reading(Protocol):
    """Anything that reads others by name: a node, in floats or in integers."""

    @property
    def name(self) -> str:
        """The node's name."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of what it reads."""


N = TypeVar("N", bound=Reading)


def linked(nodes: Iterable[N]) -> tuple[N, ...]:
    """The nodes, those that name no inputs reading the one before.

    Raises `Refusal` on a node that reads what no earlier one gives, and on one but the last that nothing reads.
    """
    found: list[N] = []
    known = {INPUT}
    for node in nodes:
        if not node.inputs:
            node = replace(node, inputs=(found[-1].name if found else INPUT,))  # type: ignore[type-var]
        for name in node.inputs:
            if name not in known:
                raise Refusal(f"layer '{node.name}': it reads '{name}', which no layer before it is called")
        known.add(node.name)
        found.append(node)
    read = {name for node in found for name in node.inputs}
    for node in found[:-1]:
        if node.name not in read:
            raise Refusal(f"layer '{node.name}': no layer behind it reads it; leave it out of the model")
    return tuple(found)


def readers(nodes: Iterable[N], name: str) -> list[N]:
    """The nodes that read what is called `name`."""
    return [node for node in nodes if name in node.inputs]


def rewired(node: N, instead: Mapping[str, str]) -> N:
    """The node, reading `instead[name]` where it read `name`."""
    inputs = tuple(instead.get(name, name) for name in node.inputs)
    return node if inputs == node.inputs else replace(node, inputs=inputs)  # type: ignore[type-var]


Value = TypeVar("Value")


class Values(dict[str, Value]):
    """Values by name, each forgotten once its last reader among `nodes` is done: `run` keeps memory low by that."""

    def __init__(self, nodes: Sequence[Reading], first: Value) -> None:
        super().__init__({INPUT: first})
        self._last = {name: node.name for node in nodes for name in node.inputs}

    def of(self, node: Reading) -> list[Value]:
        """What `node` reads."""
        return [self[name] for name in node.inputs]

    def done(self, node: Reading) -> None:
        """Forget what nobody reads after `node`."""
        for name in set(node.inputs):
            if self._last[name] == node.name:
                del self[name]


@dataclass(frozen=True)
class Graph:
    """Layers, each behind those that it reads. The last gives the model's output.

    `input_shape` is that of one tensor, without the batch. Raises `Refusal` if a layer reads what is not there.
    """

    name: str
    input_shape: Shape
    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "nodes", linked(self.nodes))

    def walk(self) -> Iterator[tuple[Node, tuple[Shape, ...], Shape]]:
        """Each node, its input shapes and its output shape. Raises `Refusal`, naming the layer that does not fit."""
        shapes = {INPUT: self.input_shape}
        for node in self.nodes:
            arriving = tuple(shapes[name] for name in node.inputs)
            try:
                shapes[node.name] = node.spec.output_shape(*arriving)
            except Refusal as refusal:
                raise Refusal(f"layer '{node.name}': {refusal}") from None
            yield node, arriving, shapes[node.name]

    @property
    def output_shape(self) -> Shape:
        """The shape of one output tensor."""
        return [self.input_shape, *(out for _, _, out in self.walk())][-1]

    def run(self, x: np.ndarray) -> np.ndarray:
        """The whole model in floating point, on a batch `(n, *input_shape)`."""
        y = x
        for _, y in self.trace(x):  # noqa: B007 (the last one counts)
            pass
        return y

    def trace(self, x: np.ndarray) -> Iterator[tuple[Node, np.ndarray]]:
        """Each node with its output, in floating point."""
        values: Values[np.ndarray] = Values(self.nodes, x)
        for node in self.nodes:
            values[node.name] = node.spec.run_float(node.weights, *values.of(node))
            values.done(node)
            yield node, values[node.name]
