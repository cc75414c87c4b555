"""Small random networks: what the property tests and the contract test run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dnn2fpga.model.graph import Graph, Node
from dnn2fpga.quant.graph import QGraph
from dnn2fpga.quant.ops.average_pool2d import AveragePool2D
from dnn2fpga.quant.ops.conv2d import Conv2D
from dnn2fpga.quant.ops.dense import Dense
from dnn2fpga.quant.ops.flatten import Flatten
from dnn2fpga.quant.ops.max_pool2d import MaxPool2D
from dnn2fpga.quant.ops.relu import ReLU
from dnn2fpga.quant.ops.softmax import Softmax
from dnn2fpga.quant.ops.table import Sigmoid, Tanh
from dnn2fpga.quant.ops.window import Window
from dnn2fpga.quant.quantize import quantize_graph
from dnn2fpga.quant.scheme import Scheme


@dataclass
class Builder:
    """Adds layers with random weights to a chain that starts with `shape`."""

    shape: tuple[int, ...]
    seed: int = 0

    def __post_init__(self) -> None:
        self.input_shape = self.shape
        self.rng = np.random.default_rng(self.seed)
        self.nodes: list[Node] = []

    def add(self, spec, **weights) -> Builder:
        self.nodes.append(Node(f"{spec.kind}_{len(self.nodes)}", spec, weights))
        self.shape = spec.output_shape(self.shape)
        return self

    def conv(self, filters, kernel, strides=(1, 1), padding="valid", *, groups=1, **window) -> Builder:
        return self.add(
            Conv2D(filters, Window(kernel, strides, padding, **window), groups=groups),
            kernel=self.rng.normal(size=(*kernel, self.shape[-1] // groups, filters)),
            bias=self.rng.normal(size=filters),
        )

    def depthwise(self, multiplier, kernel, strides=(1, 1), padding="valid", **window) -> Builder:
        channels = self.shape[-1]
        return self.conv(channels * multiplier, kernel, strides, padding, groups=channels, **window)

    def dense(self, units) -> Builder:
        return self.add(
            Dense(units),
            kernel=self.rng.normal(size=(self.shape[-1], units)),
            bias=self.rng.normal(size=units),
        )

    def pool(self, kernel, strides, padding="valid", **window) -> Builder:
        return self.add(MaxPool2D(Window(kernel, strides, padding, **window)))

    def average(self, kernel, strides, padding="valid", **window) -> Builder:
        return self.add(AveragePool2D(Window(kernel, strides, padding, **window)))

    def relu(self) -> Builder:
        return self.add(ReLU())

    def tanh(self) -> Builder:
        return self.add(Tanh())

    def sigmoid(self) -> Builder:
        return self.add(Sigmoid())

    def flatten(self) -> Builder:
        return self.add(Flatten())

    def softmax(self) -> Builder:
        return self.add(Softmax())

    def graph(self) -> Graph:
        return Graph("random", self.input_shape, tuple(self.nodes))

    def samples(self, n=8, *, signed=True) -> np.ndarray:
        low = -1 if signed else 0
        return self.rng.uniform(low, 1, (n, *self.input_shape))

    def quantized(self, weight_bits=8, activation_bits=8, *, signed=True, **scheme) -> QGraph:
        samples = self.samples(signed=signed)
        scheme = {"weight_bits": weight_bits, "activation_bits": activation_bits, **scheme}
        return quantize_graph(self.graph(), samples, Scheme(**scheme))
