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
from .site import ONE_BATCH, Site, Value, format_of, shape_of

OPERATORS: dict[str, Callable[[Site], list[QNode]]] = {
    "ADD": joins.add,
    "AVERAGE_POOL_2D": pools.average_pool_2d,
    "CONCATENATION": shapes.concatenation,
    "CONV_2D": sums.conv_2d,
    "DEPTHWISE_CONV_2D": sums.depthwise_conv_2d,
    "DEQUANTIZE": shapes.dequantize,
    "EXPAND_DIMS": shapes.reshape,
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

OF_BATCHES = ("SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND")
"""What the converter makes of a dilated convolution if the batch is free."""

SIZES = ("INT32", "INT64")
"""The types of tensors that hold sizes."""


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
    given = found.tensors[found.inputs[0]]
    operators = [operator for operator in found.operators if not _of_sizes(operator, found)]
    unknown = [operator for operator in operators if operator.name not in OPERATORS]
    if unknown:
        advice = ONE_BATCH if unknown[0].name in OF_BATCHES else "quantize the Keras model itself ('dnn2fpga quantize')"
        raise Refusal(
            _where(unknown[0], found) + f"is not supported; {advice}; these are: {', '.join(sorted(OPERATORS))}"
        )
    values = {given.index: Value(INPUT, shape_of(given), None if given.type == "FLOAT32" else format_of(given))}
    nodes: list[QNode] = []
    for operator in operators:
        try:
            made = _convert(operator, found, values)
        except Refusal as refusal:
            raise Refusal(_where(operator, found) + str(refusal)) from None
        nodes += made
    if not nodes:
        raise Refusal("it has no operator that computes anything")
    return nodes


def _of_sizes(operator: Operator, found: File) -> bool:
    """Whether an operator only works out sizes, where the batch is free. Those of one image the tensors tell."""
    given = [found.tensors[index] for index in operator.outputs]
    return all(tensor.type in SIZES and tensor.index not in found.outputs for tensor in given) and bool(given)


def _convert(operator: Operator, found: File, values: dict[int, Value]) -> list[QNode]:
    """The layers of one operator; what stands for its output is added to `values`."""
    if len(operator.outputs) != 1:
        raise Refusal(f"it gives {len(operator.outputs)} tensors; one is supported")
    for index in operator.inputs:
        tensor = found.tensors[index]
        if index >= 0 and tensor.data is None and tensor.type not in SIZES and index not in values:
            raise Refusal(f"its input '{tensor.name}' is given by no operator before it")
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
