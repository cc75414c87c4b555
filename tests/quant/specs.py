"""The specifications of all layer kinds by name: this room knows no table of kinds."""

from __future__ import annotations

from dnn2fpga.quant.ops.average_pool2d import AveragePool2D
from dnn2fpga.quant.ops.conv2d import Conv2D, FloatConv2D
from dnn2fpga.quant.ops.convert import ToFloat, ToInteger
from dnn2fpga.quant.ops.dense import Dense, FloatDense
from dnn2fpga.quant.ops.flatten import Flatten
from dnn2fpga.quant.ops.max_pool2d import MaxPool2D
from dnn2fpga.quant.ops.relu import ReLU
from dnn2fpga.quant.ops.softmax import Softmax
from dnn2fpga.quant.ops.table import Sigmoid, Tanh

FLOATING = (FloatConv2D, FloatDense, ToFloat, ToInteger)
SPECS = {
    spec.kind: spec
    for spec in (Conv2D, MaxPool2D, AveragePool2D, Flatten, Dense, ReLU, Tanh, Sigmoid, Softmax, *FLOATING)
}
