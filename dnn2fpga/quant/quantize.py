"""Post-training quantization: a float model and some samples become an integer model."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ..errors import Refusal
from ..model.graph import Graph, Node
from .calibrate import CALIBRATIONS, Range, observe
from .fixed import Format, next_power_of_two
from .floating import FloatFormat
from .graph import QGraph, QNode, check_batch
from .ops.base import Setting
from .ops.convert import to_float_node, to_integer_node
from .ops.float_mac import float_node
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

    def choose(at: int, bits: int, *, signed: bool | None) -> Format:
        """The format of what histogram number `at` is of, where node number `at`, if there is one, reads it."""
        reach = graph.nodes[at].spec.input_reach(bits) if at < len(graph.nodes) else math.inf
        seen = calibrate(histograms[at], bits, scheme.symmetric)
        if bits == 1 and signed:
            # XNOR-Net: what comes nearest to reals as their sign times one magnitude is the mean of theirs.
            seen = Range(-histograms[at].seen.magnitude_mean, histograms[at].seen.magnitude_mean)
        return _format(seen, reach, bits, signed, scheme)

    for index, node in enumerate(graph.nodes):
        if node.spec.has_kernel:
            bits = LOGIT_BITS if _is_last(graph, index) else scheme.bits(node.name).activation_bits
            outputs[node.name] = choose(index + 1, bits, signed=not node.spec.relu)
            weight_scales[node.name] = _weight_scale(node, scheme)
    return Formats(choose(0, scheme.bits_of_input, signed=None), outputs, weight_scales)


def _format(seen: Range, reach: float, bits: int, signed: bool | None, scheme: Scheme) -> Format:
    """The format of what was `seen`, of which only what lies within `reach` matters."""
    low, high = max(seen.low, -reach), min(seen.high, reach)
    if not scheme.symmetric and signed is not False and low < 0 and bits > 1:
        return Format.between(low, high, bits, power_of_two=scheme.power_of_two)
    found = Format.covering(low, high, bits, signed=signed)
    return found.with_power_of_two() if scheme.power_of_two else found


def _weight_scale(node: Node, scheme: Scheme) -> np.ndarray:
    kernel = np.asarray(node.weights["kernel"], np.float64)
    kernel = kernel.reshape(-1, kernel.shape[-1])
    bits = scheme.bits(node.name).weight_bits
    scale = weight_scale(kernel, bits, per_channel=scheme.per_channel, calibration=scheme.calibration)
    return next_power_of_two(scale) if scheme.power_of_two else scale


def _is_last(graph: Graph, index: int) -> bool:
    """Whether the output of a layer is the model's own, or feeds only the choice of a winner."""
    return all(node.spec.kind == "softmax" for node in graph.nodes[index + 1 :])


def integer_graph(graph: Graph, scheme: Scheme, formats: Formats) -> QGraph:
    """The integer model of a graph that `scheme` prepared, in given formats.

    Where a layer in floating point meets one in integers a layer that converts stands between them. Layers without
    weights that only compare or move values take what comes. The model's input is in floating point if the first
    layer that is particular about it is.
    """
    float_format = FloatFormat(scheme.float_format)
    integers = formats.i  # the integer format of the values that arrive, also where they arrive as floats
    i = float_format if _starts_in_float(graph, scheme) else integers
    nodes: list[QNode] = []
    for index, (node, input_shape, output_shape) in enumerate(graph.walk()):
        floating = node.name in scheme.floating
        if floating and isinstance(i, Format):
            nodes.append(to_float_node(f"{node.name}_to_float", input_shape, i, float_format))
        elif not floating and _is_particular(node) and isinstance(i, FloatFormat):
            nodes.append(to_integer_node(f"{node.name}_to_integer", input_shape, i, integers))
        i = nodes[-1].o if nodes else i
        at = Setting(
            i, input_shape, output_shape, scheme.bits(node.name).activation_bits, scheme.power_of_two,
            _is_last(graph, index), formats.outputs.get(node.name), scheme.bits(node.name).weight_bits,
            formats.weight_scales.get(node.name), formats.norms_kept,
        )  # fmt: skip
        if floating:
            nodes.append(float_node(node, node.spec.as_float(), at, float_format))
            integers = formats.outputs[node.name]
        else:
            nodes.append(node.spec.quantize(node, at))
            integers = node.spec.quantize(node, replace(at, i=integers)).o
        i = nodes[-1].o
    return QGraph(graph.name, tuple(nodes))


def _starts_in_float(graph: Graph, scheme: Scheme) -> bool:
    first = next((node for node in graph.nodes if _is_particular(node)), None)
    return first is not None and first.name in scheme.floating


def _is_particular(node: Node) -> bool:
    """Whether a layer does not take integers and floats alike."""
    return node.spec.has_kernel or node.spec.integers_only
