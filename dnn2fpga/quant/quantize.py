"""Post-training quantization: a float model and some samples become an integer model."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ..errors import Refusal
from ..model.graph import INPUT, Graph, Node, Shape, readers
from .calibrate import CALIBRATIONS, Range, observe
from .fixed import Format, next_power_of_two
from .floating import FloatFormat
from .graph import Arriving, QGraph, QNode, check_batch
from .ops.add import Add, sum_node
from .ops.base import Setting
from .ops.convert import to_float_node, to_integer_node
from .ops.float_mac import float_node
from .ops.pack import packed
from .scheme import Formats, Scheme
from .weights import weight_scale

LOGIT_BITS = 16
"""Width of the model's output when its last layer is a sum of products: ties between classes become rare."""


def quantize_graph(graph: Graph, samples: np.ndarray, scheme: Scheme = Scheme()) -> QGraph:  # noqa: B008 (frozen)
    """Quantize `graph` as `scheme` says, calibrated on real inputs `samples` `(n, *input_shape)`.

    The model's output gets 16 bits where its last layer is a sum of products. Raises `Refusal` on data, weights or
    a scheme that cannot be used.
    """
    graph = scheme.prepared(graph)
    return integer_graph(graph, scheme, calibrated(graph, samples, scheme))


def calibrated(graph: Graph, samples: np.ndarray, scheme: Scheme) -> Formats:
    """The formats that calibration on `samples` gives a graph that `scheme` prepared."""
    samples = check_batch(samples, graph.input_shape, "calibration data")
    if not graph.nodes:
        raise Refusal("the model has no layers; at least one is needed")
    histograms = observe(graph, samples)
    calibrate = CALIBRATIONS[scheme.calibration]
    outputs, weight_scales = {}, {}

    def choose(name: str, bits: int, *, signed: bool | None) -> Format:
        """The format of what `name` gives, to those that read it."""
        reach = max((node.spec.input_reach(bits) for node in readers(graph.nodes, name)), default=math.inf)
        seen = calibrate(histograms[name], bits, scheme.symmetric)
        if bits == 1 and signed:
            # XNOR-Net: what comes nearest to reals as their sign times one magnitude is the mean of theirs.
            seen = Range(-histograms[name].seen.magnitude_mean, histograms[name].seen.magnitude_mean)
        low, high = max(seen.low, -reach), min(seen.high, reach)
        return Format.holding(
            low, high, bits, symmetric=scheme.symmetric, power_of_two=scheme.power_of_two, signed=signed
        )

    for node in graph.nodes:
        if not (node.spec.has_kernel or node.spec.rescales):
            continue
        bits = LOGIT_BITS if is_last(graph, node.name) else scheme.bits(node.name).activation_bits
        # A sum is signed, whatever was seen, unless a ReLU says otherwise.
        sums = hasattr(node.spec, "relu")
        outputs[node.name] = choose(node.name, bits, signed=not node.spec.relu if sums else None)
        if node.spec.has_kernel:
            weight_scales[node.name] = _weight_scale(node, scheme)
    sliced = [outputs[node.name] for node in readers(graph.nodes, INPUT) if node.spec.unpacks]
    i = packed(sliced) if sliced else choose(INPUT, scheme.bits_of_input, signed=None)
    return Formats(i, outputs, weight_scales)


def _weight_scale(node: Node, scheme: Scheme) -> np.ndarray:
    kernel = np.asarray(node.weights["kernel"], np.float64)
    kernel = kernel.reshape(-1, kernel.shape[-1])
    bits = scheme.bits(node.name).weight_bits
    scale = weight_scale(kernel, bits, per_channel=scheme.per_channel, calibration=scheme.calibration)
    return next_power_of_two(scale) if scheme.power_of_two else scale


def is_last(graph: Graph, name: str) -> bool:
    """Whether what `name` gives is the model's own output, or feeds only the choice of a winner."""
    reading = readers(graph.nodes, name)
    return all(node.spec.hands_on and is_last(graph, node.name) for node in reading)


def integer_graph(graph: Graph, scheme: Scheme, formats: Formats) -> QGraph:
    """The integer model of a graph that `scheme` prepared, in given formats.

    Where a layer in floating point meets one in integers a layer that converts stands between them; where a layer
    wants its inputs in one format, layers that bring them to it. Layers without weights that only compare or move
    values take what comes. The model's input is in floating point if the first layer that is particular about it is.
    """
    return _Maker(graph, scheme, formats).made()


class _Maker:
    """Makes integer layers one after another; knows of each tensor its format, and the one it has in integers."""

    def __init__(self, graph: Graph, scheme: Scheme, formats: Formats) -> None:
        self.graph, self.scheme, self.formats = graph, scheme, formats
        self.float_format = FloatFormat(scheme.float_format)
        self.nodes: list[QNode] = []
        self.given: dict[str, Format | FloatFormat] = {INPUT: formats.i}
        if _starts_in_float(graph, scheme):
            self.given[INPUT] = self.float_format
        self.integers = {INPUT: formats.i}
        self.shapes = {INPUT: graph.input_shape}  # with the winner that a softmax adds

    def made(self) -> QGraph:
        """The whole model."""
        for node in self.graph.nodes:
            inputs = tuple(self._converted(node, at, name, self.shapes[name]) for at, name in enumerate(node.inputs))
            arriving = [Arriving(self.shapes[name], self.given[name]) for name in inputs]
            self._add(node, inputs, arriving, node.spec.output_shape(*(one.shape for one in arriving)))
        return QGraph(self.graph.name, tuple(self.nodes))

    def _converted(self, node: Node, at: int, name: str, shape: Shape) -> str:
        """The name of input number `at` of `node`, called `name`, as the layer wants it."""
        fmt, floating = self.given[name], node.name in self.scheme.floating
        suffix = f"_{at}" if len(node.inputs) > 1 else ""
        if floating and isinstance(fmt, Format):
            return self._between(to_float_node(f"{node.name}_to_float{suffix}", shape, fmt, self.float_format), name)
        if not floating and _is_particular(node) and isinstance(fmt, FloatFormat):
            converter = to_integer_node(f"{node.name}_to_integer{suffix}", shape, fmt, self.integers[name])
            name, fmt = self._between(converter, name), self.integers[name]
        wanted = self.formats.outputs.get(node.name)
        if node.spec.alike and fmt != wanted:
            assert wanted is not None
            setting = Setting(fmt, shape, shape, wanted.bits, self.scheme.power_of_two, last=False)
            assert isinstance(fmt, Format)
            return self._between(sum_node(f"{node.name}_alike{suffix}", Add(), setting, [fmt], wanted), name)
        return name

    def _between(self, qnode: QNode, source: str) -> str:
        """Puts a layer behind `source`; gives its name."""
        self.nodes.append(replace(qnode, inputs=(source,)))
        self.given[qnode.name], self.shapes[qnode.name] = qnode.o, qnode.output_shape
        self.integers[qnode.name] = qnode.o if isinstance(qnode.o, Format) else self.integers[source]
        return qnode.name

    def _add(self, node: Node, inputs: tuple[str, ...], arriving: list[Arriving], output_shape: Shape) -> None:
        scheme, formats = self.scheme, self.formats
        bits = scheme.bits(node.name)
        at = Setting(
            arriving[0].fmt, arriving[0].shape, output_shape, bits.activation_bits, scheme.power_of_two,
            is_last(self.graph, node.name), formats.outputs.get(node.name), bits.weight_bits,
            formats.weight_scales.get(node.name), formats.norms_kept, tuple(arriving[1:]), scheme.symmetric,
        )  # fmt: skip
        if node.name in scheme.floating:
            qnode = float_node(node, node.spec.as_float(), at, self.float_format)
            self.integers[node.name] = formats.outputs[node.name]
        else:
            qnode = node.spec.quantize(node, at)
            in_integers = node.spec.quantize(node, replace(at, i=self.integers[inputs[0]]))
            self.integers[node.name] = in_integers.o
        self.nodes.append(replace(qnode, inputs=inputs, also=at.also))
        self.given[node.name], self.shapes[node.name] = qnode.o, qnode.output_shape


def _starts_in_float(graph: Graph, scheme: Scheme) -> bool:
    first = next((node for node in graph.nodes if _is_particular(node)), None)
    return first is not None and first.name in scheme.floating


def _is_particular(node: Node) -> bool:
    """Whether a layer does not take integers and floats alike."""
    return node.spec.has_kernel or node.spec.integers_only
