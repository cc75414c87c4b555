"""The integer model: what the hardware must compute, and the reference that computes it in NumPy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import Refusal
from ..model.graph import INPUT, Shape, Values, linked, readers
from .fixed import Format, quantize_tflite
from .floating import FloatFormat

BATCH = 64
"""Images worked on at once: large enough for NumPy, small enough to stay in the cache."""


@dataclass(frozen=True)
class Arriving:
    """What a layer reads: its shape and format."""

    shape: Shape
    fmt: Format | FloatFormat


@dataclass(frozen=True)
class QNode:
    """One integer layer.

    `i` and `o` are the formats of its input and output, `arrays` its integer constants (kernel, offset,
    multiplier, table), `scalars` its integer parameters (shift). `inputs` are the names of the layers that it reads,
    as those of a `model.graph.Node`; of the second and those behind it `also` holds shape and format. `rounding`
    names the law by which it rounds: "half_up", or "tflite", as every layer of a model from a `.tflite` file has it.
    """

    name: str
    spec: Any  # a quant.ops specification
    input_shape: Shape
    output_shape: Shape
    i: Format | FloatFormat
    o: Format | FloatFormat
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    scalars: Mapping[str, int] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    also: tuple[Arriving, ...] = ()
    rounding: str = "half_up"

    def run(self, *xs: np.ndarray) -> np.ndarray:
        """The layer on a batch of integers `(n, *input_shape)` of each input; gives `(n, *output_shape)` in int64."""
        return self.spec.run(self, *xs)

    @property
    def arriving(self) -> tuple[Arriving, ...]:
        """Shape and format of every input."""
        return (Arriving(self.input_shape, self.i), *self.also)

    @property
    def stored_bits(self) -> int:
        """Bits of the constants that the hardware keeps: weights in their width, others in the least that holds all."""
        return sum(
            array.size * (self.scalars["weight_bits"] if name == "kernel" else _width(array))
            for name, array in self.arrays.items()
        )


@dataclass(frozen=True)
class QGraph:
    """Integer layers, each behind those that it reads: the golden reference of every simulation and every board.

    The last gives the output. A model of several inputs takes them packed into one tensor, one behind the other, of
    which `Slice` layers take their parts; one of several outputs ends in `Pack`.
    """

    name: str
    nodes: tuple[QNode, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "nodes", linked(self.nodes))

    @property
    def input_shape(self) -> Shape:
        """The shape of one input tensor."""
        return self.nodes[0].input_shape

    @property
    def output_shape(self) -> Shape:
        """The shape of one output tensor."""
        return self.nodes[-1].output_shape

    @property
    def i(self) -> Format | FloatFormat:
        """The format of the input."""
        return self.nodes[0].i

    @property
    def o(self) -> Format | FloatFormat:
        """The format of the output."""
        return self.nodes[-1].o

    @property
    def is_tflite(self) -> bool:
        """Whether it comes from a `.tflite` file: it then rounds as that does, and takes and gives its integers."""
        return self.nodes[0].rounding == "tflite"

    @property
    def is_packed(self) -> bool:
        """Whether several inputs are packed into one tensor, each in a format of its own."""
        return self.nodes[0].spec.unpacks

    @property
    def stored_bytes(self) -> int:
        """Bytes of all constants that the hardware keeps, each layer's rounded up."""
        return sum(-(-node.stored_bits // 8) for node in self.nodes)

    def quantize_input(self, x: np.ndarray) -> np.ndarray:
        """Real inputs `(n, *input_shape)` as the integers that the hardware is fed with.

        A model from a `.tflite` file also takes the file's own int8 or uint8, as they are.
        """
        x = check_batch(x, self.input_shape, "input")
        if self.is_tflite:
            assert isinstance(self.i, Format)
            return x.astype(np.int64) if x.dtype == self.i.dtype else quantize_tflite(x, self.i)
        if not self.is_packed:
            return self.i.quantize(x)
        q = np.zeros(x.shape, np.int64)
        for node in readers(self.nodes, INPUT):
            q[:, node.spec.span] = node.o.quantize(x[:, node.spec.span])
        return q

    def run(self, x: np.ndarray) -> np.ndarray:
        """Real inputs `(n, *input_shape)` to output integers `(n, *output_shape)`, exact, in int64.

        A model that ends in softmax gives its logits, then the winner's index; one from a `.tflite` file gives the
        file's own int8 or uint8, softmax and all.
        """
        q, last = self.run_integers(self.quantize_input(x)), self.nodes[-1]
        if not self.is_tflite:
            return q
        assert isinstance(self.o, Format)
        return last.spec.finish(last, q).astype(self.o.dtype)

    def run_integers(self, q: np.ndarray) -> np.ndarray:
        """The integers that the hardware gives, from input integers: where softmax runs on the host, its logits."""
        batches = [self._run_batch(q[at : at + BATCH]) for at in range(0, len(q), BATCH)]
        return np.concatenate(batches) if batches else np.zeros((0, *self.output_shape), np.int64)

    def _run_batch(self, q: np.ndarray) -> np.ndarray:
        for _, y in self.trace_integers(q):  # noqa: B007 (the last one counts)
            pass
        return y

    def trace(self, x: np.ndarray) -> Iterator[tuple[QNode, np.ndarray]]:
        """Each node with its output integers, for real inputs `x`."""
        yield from self.trace_integers(self.quantize_input(x))

    def trace_integers(self, q: np.ndarray) -> Iterator[tuple[QNode, np.ndarray]]:
        """The same from input integers."""
        values: Values[np.ndarray] = Values(self.nodes, q)
        for node in self.nodes:
            values[node.name] = node.run(*values.of(node))
            values.done(node)
            yield node, values[node.name]

    def outputs_to_real(self, q: np.ndarray) -> np.ndarray:
        """Output integers as the reals they stand for."""
        last = self.nodes[-1]
        return last.spec.to_real(last, q)

    def classify(self, outputs: np.ndarray) -> np.ndarray:
        """The winning class of each output `(n, *output_shape)`, of the first if there are several."""
        last = self.nodes[-1]
        if last.spec.packs:
            outputs = next(last.spec.parts(last, outputs))
            (last,) = (node for node in self.nodes if node.name == last.inputs[0])
        flat = outputs.reshape(len(outputs), -1)
        return flat[:, -1] if last.spec.classifies else flat.argmax(axis=1)


def check_batch(x: np.ndarray, shape: Shape, what: str) -> np.ndarray:
    """`x` as a batch `(n, *shape)`, a missing channel axis of 1 added. Raises `Refusal` if it cannot be one."""
    x = np.asarray(x)
    if not (np.issubdtype(x.dtype, np.number) or x.dtype == bool):
        raise Refusal(f"{what} must be numbers, not {x.dtype}")
    if x.ndim == len(shape) and shape[-1] == 1:
        x = x[..., np.newaxis]
    if x.shape[1:] != shape:
        raise Refusal(f"{what} has shape {x.shape}; the model takes (n, {', '.join(map(str, shape))})")
    if len(x) == 0:
        raise Refusal(f"{what} is empty; at least one sample is needed")
    if not np.isfinite(x).all():
        raise Refusal(f"{what} holds NaN or infinite values; every value must be finite")
    return x


def _width(array: np.ndarray) -> int:
    """Bits that hold every integer of an array, in two's complement where some are negative."""
    low, high = int(array.min()), int(array.max())
    return max(high.bit_length(), (~low).bit_length()) + 1 if low < 0 else max(1, high.bit_length())
