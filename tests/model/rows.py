"""A table of layer kinds for the tests of the rooms that must not know the package's own."""

from __future__ import annotations

from typing import Any, NamedTuple

from dnn2fpga.quant.ops.add import Add, Subtract
from dnn2fpga.quant.ops.average_pool2d import AveragePool2D
from dnn2fpga.quant.ops.concatenate import Concatenate
from dnn2fpga.quant.ops.conv2d import Conv2D
from dnn2fpga.quant.ops.dense import Dense
from dnn2fpga.quant.ops.flatten import Flatten
from dnn2fpga.quant.ops.max_pool2d import MaxPool2D
from dnn2fpga.quant.ops.maximum import Maximum
from dnn2fpga.quant.ops.multiply import Multiply
from dnn2fpga.quant.ops.pack import Pack
from dnn2fpga.quant.ops.relu import ReLU
from dnn2fpga.quant.ops.slice import Slice
from dnn2fpga.quant.ops.softmax import Softmax
from dnn2fpga.quant.ops.table import Sigmoid, Tanh


class Row(NamedTuple):
    spec: Any
    keras: str | None
    activation: str | None


ROWS = (
    Row(Conv2D, "Conv2D", None),
    Row(MaxPool2D, "MaxPooling2D", None),
    Row(Dense, "Dense", None),
    Row(Flatten, "Flatten", None),
    Row(ReLU, "ReLU", "relu"),
    Row(Tanh, None, "tanh"),
    Row(Sigmoid, None, "sigmoid"),
    Row(Softmax, "Softmax", "softmax"),
    Row(Add, "Add", None),
    Row(Subtract, "Subtract", None),
    Row(Multiply, "Multiply", None),
    Row(Maximum, "Maximum", None),
    Row(Concatenate, "Concatenate", None),
    Row(Slice, None, None),
    Row(Pack, None, None),
    Row(AveragePool2D, "AveragePooling2D", None),
)
SPECS = {row.spec.kind: row.spec for row in ROWS}
