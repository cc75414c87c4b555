"""A full-int8 `.tflite` file becomes an integer model: each operator by the function that the table names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

from ...errors import Refusal
from ...model.graph import INPUT
from ..fixed import Format
from ..graph import QGraph, QNode
from . import file, joins, pools, shapes, sums, tables
from .file import File, Operator
from .site import Site, Value, format_of, shape_of

OPERATORS: dict[str, Callable[[Site], list[QNode]]] = {
    "ADD": joins.add,
    "AVERAGE_POOL_2D": pools.average_pool_2d,
    "CONCATENATION": shapes.concatenation,
    "CONV_2D": sums.conv_2d,
    "DEPTHWISE_CONV_2D": sums.depthwise_conv_2d,
    "DEQUANTIZE": shapes.dequantize,
    "FULLY_CONNECTED": sums.fully_connected,
    "LEAKY_RELU": tables.leaky_relu,
    "LOGISTIC": tables.logistic,
    "MAX_POOL_2D": pools.max_pool_2d,
    "MEAN": pools.mean,
    "MUL": joins.mul,
    "PAD": shapes.pad,
    "QUANTIZE": tables.requantize,
    "RELU": tables.relu,
    "RELU6": tables.relu6,
    "RESHAPE": shapes.reshape,
    "SOFTMAX": shapes.softmax,
    "TANH": tables.tanh,
}
"""What makes the layers of each operator: several, one behind the other, or none where nothing is to be done."""


def from_tflite(path: str | Path) -> QGraph:
    """The integer model of a full-int8 `.tflite` file, which gives its bytes.

    Raises `Refusal` on what cannot be read, and on what is not supported, naming operator and tensor.
    """
    found = file.read(path)
    try:
        return QGraph(Path(path).stem, tuple(_nodes(found)))
    except Refusal as refusal:
        raise Refusal(f"{path}: {refusal}") from None


def _nodes(found: File) -> list[QNode]:
    if len(found.inputs) != 1 or len(found.outputs) != 1:
        raise Refusal(f"it has {len(found.inputs)} inputs and {len(found.outputs)} outputs; one of each is supported")
    unknown = [operator for operator in found.operators if operator.name not in OPERATORS]
    if unknown:
        raise Refusal(_where(unknown[0], found) + f"is not supported; these are: {', '.join(sorted(OPERATORS))}")
    given = found.tensors[found.inputs[0]]
    values = {given.index: Value(INPUT, shape_of(given), None if given.type == "FLOAT32" else format_of(given))}
    nodes: list[QNode] = []
    for operator in found.operators:
        try:
            made = _convert(operator, found, values)
        except Refusal as refusal:
            raise Refusal(_where(operator, found) + str(refusal)) from None
        nodes += made
    if not nodes:
        raise Refusal("it has no operator that computes anything")
    return nodes


def _convert(operator: Operator, found: File, values: dict[int, Value]) -> list[QNode]:
    """The layers of one operator; what stands for its output is added to `values`."""
    if len(operator.outputs) != 1:
        raise Refusal(f"it gives {len(operator.outputs)} tensors; one is supported")
    for index in operator.inputs:
        if index >= 0 and found.tensors[index].data is None and index not in values:
            raise Refusal(f"its input '{found.tensors[index].name}' is given by no operator before it")
    output = found.tensors[operator.outputs[0]]
    inputs = tuple(found.tensors[index] if index >= 0 else None for index in operator.inputs)
    site = Site(operator, inputs, output, values, output.index == found.outputs[0])
    made = OPERATORS[operator.name](site)
    if made:
        values[output.index] = Value(made[-1].name, made[-1].output_shape, cast(Format, made[-1].o))
    else:
        stands = values[operator.inputs[0]]
        values[output.index] = replace(stands, shape=site.output_shape, fmt=stands.fmt or site.o)
    return made


def _where(operator: Operator, found: File) -> str:
    """The operator as refusals name it."""
    names = ", ".join(f"'{found.tensors[index].name}'" for index in operator.outputs if index >= 0)
    return f"operator {operator.index} {operator.name} (tensor {names}): "
