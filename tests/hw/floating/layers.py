"""Layers in floating point, and converters, for the contract test."""

from __future__ import annotations

import numpy as np

from dnn2fpga.model.passes import simplify
from dnn2fpga.quant.floating import FloatFormat
from dnn2fpga.quant.graph import QGraph
from dnn2fpga.quant.ops.base import Setting
from dnn2fpga.quant.ops.convert import to_float_node, to_integer_node
from dnn2fpga.quant.ops.float_mac import float_node


def floating(builder, name: str, *, signed: bool = True) -> QGraph:
    """The chain of a `tests.networks.Builder`, all of it in floating point."""
    graph = simplify(builder.graph())
    fmt = FloatFormat(name)
    i = FloatFormat(name, signed)
    nodes = []
    for index, (node, (input_shape,), output_shape) in enumerate(graph.walk()):
        last = all(later.spec.kind == "softmax" for later in graph.nodes[index + 1 :])
        at = Setting(i, input_shape, output_shape, 8, False, last)
        if node.spec.has_kernel:
            nodes.append(float_node(node, node.spec.as_float(), at, fmt))
        else:
            nodes.append(node.spec.quantize(node, at))
        i = nodes[-1].o
    return QGraph(graph.name, tuple(nodes))


def to_float(shape, i, name: str) -> QGraph:
    """Nothing but a converter."""
    return QGraph("converter", (to_float_node("to_float", shape, i, FloatFormat(name)),))


def to_integer(shape, i: FloatFormat, o) -> QGraph:
    """Nothing but a converter."""
    return QGraph("converter", (to_integer_node("to_integer", shape, i, o),))


def some_codes(fmt: FloatFormat, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Codes of numbers about 1, some of them great, small or 0; now and then an infinity or a NaN."""
    magnitude = 2.0 ** rng.choice([0, 0, 0, 0, 3, -3, -12, 7], shape)
    codes = fmt.quantize(rng.normal(size=shape) * magnitude * rng.choice([0, 1, 1, 1], shape))
    odd = rng.choice([fmt.infinity, fmt.minimum, fmt.maximum, 1], shape)
    return np.where(rng.random(shape) < 0.004, odd, codes)
