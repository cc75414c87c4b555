"""The model that training sees: a float graph on Keras tensors, with every rounding of the integer model in it.

Each rounding has a straight-through gradient: backward, it is not there, and what was clipped has a gradient of 0
(Bengio, Léonard and Courville 2013; for signs the "hard tanh" of Hubara et al. 2016, "Binarized Neural Networks").
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np

from ..model.graph import INPUT, Graph, Node, Values
from .fixed import Format
from .floating import FloatFormat
from .graph import QNode
from .ops.mac import SCALE_SPREAD
from .quantize import integer_graph
from .scheme import Formats, Scheme
from .weights import weight_max

POWERS = 2.0 ** np.arange(-126, 128, dtype=np.float32)
"""The powers of two that a float32 scale may be."""

INSIDE = 0.9
"""Where the greatest weight starts between 0 and 1, the limit of tanh, in DoReFa's transform."""


def rounded(ops: Any, u: Any, q: Any) -> Any:
    """`q`, the integers nearest to `u`, with the gradient of `u`. Both steps are exact in floating point."""
    return u + ops.stop_gradient(q - u)


class FakeFormat:
    """A format on Keras tensors: real numbers become those that its integers stand for.

    If `learned`, its scale is trained with the gradient of LSQ (Esser et al. 2020, "Learned Step Size
    Quantization"), through its logarithm: it stays positive, and a step of Adam changes it by a part of itself.
    """

    def __init__(self, keras: Any, fmt: Format, *, learned: bool) -> None:
        self._ops, self._fmt = keras.ops, fmt
        self._growth, self._own = keras.Variable(0.0) if learned else None, True

    def on_its_scale(self, fmt: Format) -> FakeFormat:
        """A format of the same scale, which stays the same: it is trained here, and not there."""
        other = copy(self)
        other._fmt, other._own = fmt, False
        return other

    @property
    def variables(self) -> list[Any]:
        """What is trained."""
        return [self._growth] if self._own and self._growth is not None else []

    def _scale(self) -> Any:
        scale = np.float32(self._fmt.scale)
        return scale if self._growth is None else scale * self._ops.exp(self._growth)

    def __call__(self, x: Any) -> Any:
        """What the integers nearest to `x` stand for."""
        fmt, scale = self._fmt, self._scale()
        u = self._ops.clip(x / scale + fmt.zero_point, fmt.minimum, fmt.maximum)
        return (rounded(self._ops, u, self._ops.floor(u + 0.5)) - fmt.zero_point) * scale

    @property
    def fmt(self) -> Format:
        """The format as it is now."""
        return replace(self._fmt, scale=float(self._scale()))


class FakeKernel:
    """The kernel of one layer on Keras tensors: the weights that its integers stand for.

    The scale of each step is that of the weights as they are, where `weight_scale` knows it without a search:
    always with 1 and 2 bits, and the greatest weight's with the calibration "min_max". Else it stays what it was,
    or, if `learned`, is trained as in `FakeFormat`. With `dorefa` the weights are kept as `v`, where
    w = m · tanh(v) / max |tanh(v)| and m is the greatest magnitude at the start (Zhou et al. 2016, "DoReFa-Net",
    whose m is 1, since batch normalization follows there).
    """

    def __init__(
        self,
        keras: Any,
        kernel: np.ndarray,
        scheme: Scheme,
        bits: int,
        scale: np.ndarray,
        *,
        learned: bool,
        dorefa: bool,
    ) -> None:
        self._ops, self._scheme, self._bits = keras.ops, scheme, bits
        kernel = np.asarray(kernel, np.float32)
        self._reach = np.abs(kernel).max() if dorefa and kernel.any() else None
        latent = kernel if self._reach is None else np.arctanh(INSIDE * kernel / self._reach)
        self._latent = keras.Variable(latent)
        self._known = np.asarray(scale, np.float32)
        learned = learned and bits > 1 and not scheme.power_of_two
        shape = self._known.shape if scheme.per_channel else ()
        self._growth = keras.Variable(np.zeros(shape, np.float32)) if learned else None

    @property
    def variables(self) -> list[Any]:
        """What is trained."""
        return [self._latent] if self._growth is None else [self._latent, self._growth]

    @property
    def floats(self) -> Any:
        """The weights before they are rounded."""
        if self._reach is None:
            return self._ops.convert_to_tensor(self._latent)
        bent = self._ops.tanh(self._latent)
        return bent * (self._reach / self._ops.max(self._ops.abs(bent)))

    @property
    def scale(self) -> Any:
        """The real value of one step, `(channels,)`."""
        ops = self._ops
        if self._growth is not None:
            scale = self._known * ops.exp(self._growth)
        elif self._bits <= 2 or self._scheme.calibration == "min_max":
            scale = ops.stop_gradient(self._scale_of(self.floats))
        else:
            scale = ops.convert_to_tensor(self._known)
        greatest = ops.max(scale)
        return ops.where(greatest > 0, ops.maximum(scale, greatest * SCALE_SPREAD), 1.0)

    def _scale_of(self, kernel: Any) -> Any:
        """What `weight_scale` says of a kernel, `(channels,)`."""
        ops, channels = self._ops, kernel.shape[-1]
        size = ops.abs(ops.reshape(kernel, (-1, channels if self._scheme.per_channel else 1)))
        if self._bits == 1:
            scale = ops.mean(size, axis=0)
        elif self._bits == 2:
            sums = ops.cumsum(ops.flip(ops.sort(size, axis=0), axis=0), axis=0)
            m = np.arange(1, size.shape[0] + 1, dtype=np.float32)[:, np.newaxis]
            best = ops.argmax(ops.square(sums) / m, axis=0, keepdims=True)
            scale = ops.take_along_axis(sums / m, best, axis=0)[0]
        else:
            scale = ops.max(size, axis=0) / weight_max(self._bits)
        if self._scheme.power_of_two:
            scale = ops.take(POWERS, ops.searchsorted(POWERS, scale))
        return ops.broadcast_to(scale, (channels,))

    def __call__(self) -> Any:
        """The kernel that the integers stand for. A clipped weight has a gradient unless the scale is learned."""
        ops, scale, top = self._ops, self.scale, weight_max(self._bits)
        u = self.floats / scale
        if self._growth is not None:
            u = ops.clip(u, -top, top)
        q = ops.where(u < 0, -1.0, 1.0) if self._bits == 1 else ops.clip(ops.floor(u + 0.5), -top, top)
        return rounded(ops, u, q) * scale


class _Step:
    """One layer of the integer model: the float layer that it stands for, if any, and the rounding of what it gives.

    `arriving` is the format to which what comes in was last rounded.
    """

    def __init__(
        self, keras: Any, q: QNode, node: Node | None, kernel: FakeKernel | None, arriving: FakeFormat | None, *,
        learned: bool,
    ) -> None:  # fmt: skip
        self._ops, self.node, self.kernel = keras.ops, node, kernel
        floats = {} if node is None else node.weights
        self._weights = {
            name: keras.Variable(np.asarray(weight, np.float32))
            for name, weight in floats.items()
            if kernel is None or name != "kernel"
        }
        self._pad = float(q.i.dequantize(np.array(q.i.zero)))
        # A layer with constants of its own works out new numbers, or one whose input is in none; others hand theirs on.
        new = isinstance(q.i, FloatFormat) or bool(q.arrays or q.scalars) or q.spec.unpacks
        self.o: FakeFormat | None = None
        if new and isinstance(q.o, Format):
            # New numbers in the very format that came, as averages are, stay in it however it is trained.
            if arriving is not None and q.o is q.i and not (q.spec.has_kernel or q.spec.rescales):
                self.o = arriving.on_its_scale(q.o)
            else:
                self.o = FakeFormat(keras, q.o, learned=learned)
        self.leaving = self.o or arriving

    @property
    def variables(self) -> list[Any]:
        """What is trained."""
        parts = [part.variables for part in (self.kernel, self.o) if part is not None]
        return [*self._weights.values(), *(variable for part in parts for variable in part)]

    def __call__(self, *xs: Any) -> Any:
        """The layer on a batch."""
        y = xs[0]
        if self.node is not None:
            kernel = {} if self.kernel is None else {"kernel": self.kernel()}
            y = self.node.spec.run_traced(self._ops, {**self._weights, **kernel}, *xs, pad=self._pad)
        return y if self.o is None else self.o(y)

    def weights(self) -> dict[str, np.ndarray]:
        """The float weights as they are now."""
        weights = {name: variable.numpy() for name, variable in self._weights.items()}
        return weights if self.kernel is None else {**weights, "kernel": self.kernel.floats.numpy()}


class FakeQuantized:
    """A graph that `scheme` prepared, in given formats, on Keras tensors `(n, *input_shape)`.

    `learn_scales` trains the scales of kernels, and those of the outputs of layers with a kernel, as far as they are
    free: not if they are powers of two, and not that of a sign.
    """

    def __init__(
        self, keras: Any, graph: Graph, scheme: Scheme, formats: Formats, *, learn_scales: bool, dorefa: bool
    ) -> None:  # fmt: skip
        self._graph, self._formats = graph, formats
        qgraph = integer_graph(graph, scheme, formats)
        self._qnodes = qgraph.nodes
        in_one = isinstance(qgraph.i, Format) and not qgraph.is_packed
        self._i = FakeFormat(keras, qgraph.i, learned=False) if in_one else None  # type: ignore[arg-type]
        self._steps = []
        leaving = {INPUT: self._i}
        nodes = {node.name: node for node in graph.nodes}
        for q in qgraph.nodes:
            node, kernel, learned = nodes.get(q.name), None, False
            if node is not None and node.spec.has_kernel and isinstance(q.o, Format):
                learned = learn_scales and not scheme.power_of_two and not q.o.is_sign
                kernel = FakeKernel(
                    keras, node.weights["kernel"], scheme, scheme.bits(q.name).weight_bits,
                    formats.weight_scales[q.name], learned=learn_scales, dorefa=dorefa,
                )  # fmt: skip
            step = _Step(keras, q, node, kernel, leaving[q.inputs[0]], learned=learned)
            leaving[q.name] = step.leaving
            self._steps.append(step)

    @property
    def variables(self) -> Sequence[Any]:
        """What is trained, in a fixed order."""
        return [variable for step in self._steps for variable in step.variables]

    def __call__(self, x: Any) -> Any:
        """The outputs of a batch, the logits where the model ends in softmax."""
        return list(self.trace(x))[-1]

    def trace(self, x: Any) -> Iterator[Any]:
        """The output of each layer of the integer model."""
        x = x if self._i is None else self._i(x)
        values: Values[Any] = Values(self._qnodes, x)
        for qnode, step in zip(self._qnodes, self._steps, strict=True):
            values[qnode.name] = step(*values.of(qnode))
            yield values[qnode.name]

    def tuned(self) -> tuple[Graph, Formats]:
        """The weights and formats as they are now, of which `integer_graph` makes the integer model."""
        outputs, scales = dict(self._formats.outputs), dict(self._formats.weight_scales)
        nodes = []
        for step in self._steps:
            if step.node is None:
                continue
            nodes.append(step.node.with_weights(**step.weights()))
            if step.kernel is not None and step.o is not None:
                outputs[step.node.name] = step.o.fmt
                scales[step.node.name] = step.kernel.scale.numpy().astype(np.float64)
        return replace(self._graph, nodes=tuple(nodes)), replace(self._formats, outputs=outputs, weight_scales=scales)
