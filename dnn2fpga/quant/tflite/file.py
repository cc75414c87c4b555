"""A `.tflite` file as plain data: tensors and operators, without a word of what they mean."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import tflite

from ...errors import Refusal

DTYPES = {
    "INT8": np.int8, "UINT8": np.uint8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64,
    "FLOAT16": np.float16, "FLOAT32": np.float32, "FLOAT64": np.float64, "BOOL": np.bool_,
}  # fmt: skip
"""The NumPy type of each tensor type whose constants are read."""

WINDOW = ("Padding", "StrideH", "StrideW", "FusedActivationFunction")
OPTIONS = {
    "CONV_2D": (tflite.Conv2DOptions, (*WINDOW, "DilationHFactor", "DilationWFactor")),
    "DEPTHWISE_CONV_2D": (tflite.DepthwiseConv2DOptions, (*WINDOW, "DilationHFactor", "DilationWFactor")),
    "FULLY_CONNECTED": (tflite.FullyConnectedOptions, ("FusedActivationFunction", "WeightsFormat", "KeepNumDims")),
    "AVERAGE_POOL_2D": (tflite.Pool2DOptions, (*WINDOW, "FilterHeight", "FilterWidth")),
    "MAX_POOL_2D": (tflite.Pool2DOptions, (*WINDOW, "FilterHeight", "FilterWidth")),
    "ADD": (tflite.AddOptions, ("FusedActivationFunction",)),
    "MUL": (tflite.MulOptions, ("FusedActivationFunction",)),
    "CONCATENATION": (tflite.ConcatenationOptions, ("Axis", "FusedActivationFunction")),
    "MEAN": (tflite.ReducerOptions, ("KeepDims",)),
    "SOFTMAX": (tflite.SoftmaxOptions, ("Beta",)),
    "LEAKY_RELU": (tflite.LeakyReluOptions, ("Alpha",)),
}
"""For each operator that has options: the schema's table of them, and those that are read."""

ENUMS = {"FusedActivationFunction": tflite.ActivationFunctionType, "Padding": tflite.Padding}
"""Options that are read as the schema's name of their value."""


@dataclass(frozen=True)
class Tensor:
    """One tensor: `shape` and `signature` (-1 where the size is free) with the batch, `type` the schema's name.

    `scales` and `zero_points` are empty if it is not quantized, and one a slice along `axis` if there are several.
    `data` is the constant, None if the tensor is worked out.
    """

    index: int
    name: str
    type: str
    shape: tuple[int, ...]
    signature: tuple[int, ...]
    scales: np.ndarray
    zero_points: np.ndarray
    axis: int
    data: np.ndarray | None


@dataclass(frozen=True)
class Operator:
    """One operator: its schema name, its tensors by index (-1 for one left out), its options by the schema's names."""

    index: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class File:
    """The one subgraph of a file; operators stand in the order in which they run."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read(path: str | Path) -> File:
    """The contents of a file. Raises `Refusal` if it cannot be read, is no `.tflite`, or is cut."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise Refusal(f"{path} cannot be read: {error.strerror}") from None
    if len(content) < 8 or not tflite.Model.ModelBufferHasIdentifier(content, 0):
        raise Refusal(f"{path} is no .tflite file: it lacks the mark 'TFL3'")
    try:
        return _file(tflite.Model.GetRootAs(content, 0), len(content))
    except Refusal as refusal:
        raise Refusal(f"{path}: {refusal}") from None
    except (struct.error, ValueError, TypeError, IndexError, OverflowError, MemoryError):
        raise Refusal(f"{path} is cut short or damaged; fetch or convert it again") from None


def _file(model: Any, size: int) -> File:
    if model.SubgraphsLength() != 1:
        raise Refusal(f"the file has {model.SubgraphsLength()} subgraphs; one is supported")
    graph = model.Subgraphs(0)
    tensors = tuple(_tensor(model, graph.Tensors(at), at) for at in _range(graph.TensorsLength(), size))
    operators = tuple(_operator(model, graph.Operators(at), at) for at in _range(graph.OperatorsLength(), size))
    inputs, outputs = _indices(graph, "Inputs"), _indices(graph, "Outputs")
    found = File(tensors, operators, inputs, outputs)
    for index in (*inputs, *outputs, *(i for op in operators for i in (*op.inputs, *op.outputs))):
        if not -1 <= index < len(tensors):
            raise ValueError(f"there is no tensor {index}")
    return found


def _range(length: int, size: int) -> Iterator[int]:
    """Indices of a list, which cannot be longer than the file is."""
    if length > size:
        raise ValueError(f"a list of {length} in a file of {size} bytes")
    yield from range(length)


def _tensor(model: Any, tensor: Any, index: int) -> Tensor:
    if tensor is None:
        raise ValueError(f"tensor {index} is missing")
    shape = _ints(tensor.ShapeAsNumpy(), tensor.ShapeLength())
    signature = _ints(tensor.ShapeSignatureAsNumpy(), tensor.ShapeSignatureLength()) or shape
    name, type_ = (tensor.Name() or b"").decode("utf-8", "replace"), _name(tflite.TensorType, tensor.Type())
    quantization = tensor.Quantization()
    scales, zero_points, axis = np.zeros(0), np.zeros(0, np.int64), 0
    if quantization is not None and quantization.ScaleLength():
        scales = np.asarray(quantization.ScaleAsNumpy(), np.float32)
        zero_points = np.zeros(len(scales), np.int64)
        if quantization.ZeroPointLength():
            zero_points = np.asarray(quantization.ZeroPointAsNumpy(), np.int64)
        axis = quantization.QuantizedDimension()
    data = _constant(model.Buffers(tensor.Buffer()), index, name, type_, shape)
    return Tensor(index, name, type_, shape, signature, scales, zero_points, axis, data)


def _constant(buffer: Any, index: int, name: str, type_: str, shape: tuple[int, ...]) -> np.ndarray | None:
    if buffer.Offset() or buffer.Size():
        raise Refusal(f"tensor {index} '{name}' lies behind the model, as in files above 2 GB; this is not supported")
    if buffer.DataLength() == 0:
        return None
    if type_ not in DTYPES:
        raise Refusal(f"tensor {index} '{name}' is a constant of type {type_}, which is not supported")
    data = np.asarray(buffer.DataAsNumpy(), np.uint8)
    if len(data) != math.prod(shape) * np.dtype(DTYPES[type_]).itemsize:
        raise ValueError(f"tensor {index} has {len(data)} bytes for {shape}")
    return data.view(np.dtype(DTYPES[type_]).newbyteorder("<")).reshape(shape)


def _operator(model: Any, operator: Any, index: int) -> Operator:
    code = model.OperatorCodes(operator.OpcodeIndex())
    # Codes above 127 came later, in a field of their own; the older field then says 127.
    name = _name(tflite.BuiltinOperator, max(code.BuiltinCode(), code.DeprecatedBuiltinCode()))
    inputs, outputs = _indices(operator, "Inputs"), _indices(operator, "Outputs")
    return Operator(index, name, inputs, outputs, _options(operator, name))


def _options(operator: Any, name: str) -> dict[str, Any]:
    if name not in OPTIONS:
        return {}
    table = operator.BuiltinOptions()
    if table is None:
        raise ValueError(f"{name} lacks its options")
    schema, fields = OPTIONS[name]
    options: Any = schema()
    options.Init(table.Bytes, table.Pos)
    found = {field: getattr(options, field)() for field in fields}
    return {key: _name(ENUMS[key], value) if key in ENUMS else value for key, value in found.items()}


def _indices(owner: Any, what: str) -> tuple[int, ...]:
    return _ints(getattr(owner, f"{what}AsNumpy")(), getattr(owner, f"{what}Length")())


def _ints(array: Any, length: int) -> tuple[int, ...]:
    """A vector of the schema; the library gives 0 for one that is not there."""
    return tuple(int(value) for value in array) if length else ()


def _name(enum: Any, value: int) -> str:
    """The schema's name of a value."""
    return next((name for name, known in vars(enum).items() if known == value), f"number {value}")
