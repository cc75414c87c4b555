"""Makes `.tflite` files of a few operators, with any scales, zero points and weights: no converter gives those."""

from __future__ import annotations

import flatbuffers
import numpy as np
import tflite

INT8, FLOAT = "INT8", "FLOAT32"
DTYPES = {"INT8": np.int8, "UINT8": np.uint8, "INT16": np.int16, "INT32": np.int32, "FLOAT32": np.float32}


class Maker:
    """A file that grows: `tensor` and `operator` add to it, `bytes` gives it."""

    def __init__(self) -> None:
        self.tensors: list[dict] = []
        self.operators: list[tuple] = []

    def tensor(self, shape, scale=None, zero_point=0, *, type_=INT8, data=None, axis=0, signature=None) -> int:
        """A tensor, a constant if it has `data`; `scale` is a number, or one a slice along `axis`. Gives its index."""
        scales = [] if scale is None else np.atleast_1d(scale).tolist()
        data = None if data is None else np.ascontiguousarray(data, DTYPES[type_])
        self.tensors.append(
            {
                "name": f"tensor_{len(self.tensors)}", "shape": list(shape), "type": type_, "scales": scales,
                "zeros": [zero_point] * len(scales), "data": data, "axis": axis, "signature": signature,
            }
        )  # fmt: skip
        return len(self.tensors) - 1

    def operator(self, name, inputs, output, **options) -> int:
        """An operator with the schema's own option names, such as `StrideH`. Gives its output."""
        self.operators.append((name, list(inputs), [output], options))
        return output

    def bytes(self, inputs, outputs) -> bytes:
        """The file."""
        b = flatbuffers.Builder(1024)
        buffers = [self._buffer(b, None)] + [self._buffer(b, tensor["data"]) for tensor in self.tensors]
        tensors = [self._tensor(b, tensor, at + 1) for at, tensor in enumerate(self.tensors)]
        names = sorted({name for name, *_ in self.operators})
        codes = [self._code(b, name) for name in names]
        operators = [self._operator(b, names, *operator) for operator in self.operators]
        graph_name = b.CreateString("main")
        parts = [
            offsets(b, tflite.SubGraphStartTensorsVector, tensors),
            ints(b, tflite.SubGraphStartInputsVector, inputs),
            ints(b, tflite.SubGraphStartOutputsVector, outputs),
            offsets(b, tflite.SubGraphStartOperatorsVector, operators),
        ]
        tflite.SubGraphStart(b)
        adders = (tflite.SubGraphAddTensors, tflite.SubGraphAddInputs, tflite.SubGraphAddOutputs)
        for add, part in zip((*adders, tflite.SubGraphAddOperators), parts, strict=True):
            add(b, part)
        tflite.SubGraphAddName(b, graph_name)
        graph = tflite.SubGraphEnd(b)
        graphs = offsets(b, tflite.ModelStartSubgraphsVector, [graph])
        codes_at = offsets(b, tflite.ModelStartOperatorCodesVector, codes)
        buffers_at = offsets(b, tflite.ModelStartBuffersVector, buffers)
        tflite.ModelStart(b)
        tflite.ModelAddVersion(b, 3)
        tflite.ModelAddOperatorCodes(b, codes_at)
        tflite.ModelAddSubgraphs(b, graphs)
        tflite.ModelAddBuffers(b, buffers_at)
        b.Finish(tflite.ModelEnd(b), file_identifier=b"TFL3")
        return bytes(b.Output())

    def _buffer(self, b, data):
        at = None if data is None else b.CreateByteVector(data.tobytes())
        tflite.BufferStart(b)
        if at is not None:
            tflite.BufferAddData(b, at)
        return tflite.BufferEnd(b)

    def _tensor(self, b, tensor, buffer):
        name = b.CreateString(tensor["name"])
        shape = ints(b, tflite.TensorStartShapeVector, tensor["shape"])
        signature = tensor["signature"] and ints(b, tflite.TensorStartShapeSignatureVector, tensor["signature"])
        scales = vector(b, tflite.QuantizationParametersStartScaleVector, tensor["scales"], b.PrependFloat32)
        zeros = vector(b, tflite.QuantizationParametersStartZeroPointVector, tensor["zeros"], b.PrependInt64)
        tflite.QuantizationParametersStart(b)
        if tensor["scales"]:
            tflite.QuantizationParametersAddScale(b, scales)
            tflite.QuantizationParametersAddZeroPoint(b, zeros)
            tflite.QuantizationParametersAddQuantizedDimension(b, tensor["axis"])
        quantization = tflite.QuantizationParametersEnd(b)
        tflite.TensorStart(b)
        tflite.TensorAddShape(b, shape)
        tflite.TensorAddType(b, getattr(tflite.TensorType, tensor["type"]))
        tflite.TensorAddBuffer(b, buffer)
        tflite.TensorAddName(b, name)
        tflite.TensorAddQuantization(b, quantization)
        if signature:
            tflite.TensorAddShapeSignature(b, signature)
        return tflite.TensorEnd(b)

    def _code(self, b, name):
        code = getattr(tflite.BuiltinOperator, name)
        tflite.OperatorCodeStart(b)
        tflite.OperatorCodeAddDeprecatedBuiltinCode(b, min(code, 127))
        tflite.OperatorCodeAddBuiltinCode(b, code)
        tflite.OperatorCodeAddVersion(b, VERSIONS.get(name, 2))
        return tflite.OperatorCodeEnd(b)

    def _operator(self, b, names, name, inputs, outputs, options):
        i = ints(b, tflite.OperatorStartInputsVector, inputs)
        o = ints(b, tflite.OperatorStartOutputsVector, outputs)
        table = None
        if name in TABLES:
            getattr(tflite, f"{TABLES[name]}Start")(b)
            for key, value in options.items():
                getattr(tflite, f"{TABLES[name]}Add{key}")(b, value)
            table = getattr(tflite, f"{TABLES[name]}End")(b)
        tflite.OperatorStart(b)
        tflite.OperatorAddOpcodeIndex(b, names.index(name))
        tflite.OperatorAddInputs(b, i)
        tflite.OperatorAddOutputs(b, o)
        if table is not None:
            tflite.OperatorAddBuiltinOptionsType(b, getattr(tflite.BuiltinOptions, TABLES[name]))
            tflite.OperatorAddBuiltinOptions(b, table)
        return tflite.OperatorEnd(b)


TABLES = {
    "CONV_2D": "Conv2DOptions", "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions", "ADD": "AddOptions", "MUL": "MulOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions", "AVERAGE_POOL_2D": "Pool2DOptions", "MAX_POOL_2D": "Pool2DOptions",
    "CONCATENATION": "ConcatenationOptions", "MEAN": "ReducerOptions", "SOFTMAX": "SoftmaxOptions",
    "LEAKY_RELU": "LeakyReluOptions", "PAD": "PadOptions", "RESHAPE": "ReshapeOptions",
}  # fmt: skip
VERSIONS = {"FULLY_CONNECTED": 4, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "RESHAPE": 1, "EXPAND_DIMS": 1}


def vector(b, start, values, prepend):
    """A vector of the schema."""
    start(b, len(values))
    for value in reversed(values):
        prepend(value)
    return b.EndVector()


def ints(b, start, values):
    """One of 32-bit integers."""
    return vector(b, start, values, b.PrependInt32)


def offsets(b, start, values):
    """One of tables."""
    return vector(b, start, values, b.PrependUOffsetTRelative)
