"""Small random networks: what the property tests and the contract test run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dnn2fpga.model.batch_norm import BatchNormalization
from dnn2fpga.model.graph import INPUT, Graph, Node
from dnn2fpga.quant.graph import QGraph
from dnn2fpga.quant.ops.average_pool2d import AveragePool2D
from dnn2fpga.quant.ops.conv2d import Conv2D
from dnn2fpga.quant.ops.cropping import Cropping
from dnn2fpga.quant.ops.dense import Dense
from dnn2fpga.quant.ops.flatten import Flatten
from dnn2fpga.quant.ops.global_pool import GlobalAveragePool, GlobalMaxPool
from dnn2fpga.quant.ops.max_pool2d import MaxPool2D
from dnn2fpga.quant.ops.permute import Permute
from dnn2fpga.quant.ops.prelu import PReLU
from dnn2fpga.quant.ops.relu import ReLU
from dnn2fpga.quant.ops.reshape import Reshape
from dnn2fpga.quant.ops.softmax import Softmax
from dnn2fpga.quant.ops.table import Sigmoid, Tanh
from dnn2fpga.quant.ops.up_sampling import UpSampling
from dnn2fpga.quant.ops.window import Window
from dnn2fpga.quant.ops.zero_padding import ZeroPadding
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
        self.last = INPUT  # the tensor that the next layer reads
        self.shapes = {INPUT: self.shape}

    def add(self, spec, *also: str, **weights) -> Builder:
        """Behind the last layer, and those called `also` if it reads several."""
        inputs = (self.last, *also)
        self.last = f"{spec.kind}_{len(self.nodes)}"
        self.nodes.append(Node(self.last, spec, weights, inputs))
        self.shape = self.shapes[self.last] = spec.output_shape(*(self.shapes[name] for name in inputs))
        return self

    def back_to(self, name: str) -> Builder:
        """The next layer reads what is called `name`: a branch begins."""
        self.last, self.shape = name, self.shapes[name]
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

    def global_average(self, *, keepdims=False) -> Builder:
        return self.add(GlobalAveragePool(keepdims))

    def global_max(self, *, keepdims=False) -> Builder:
        return self.add(GlobalMaxPool(keepdims))

    def zeros(self, margins, strides=(1, 1)) -> Builder:
        return self.add(ZeroPadding(margins, strides))

    def crop(self, margins) -> Builder:
        return self.add(Cropping(margins))

    def repeat(self, times) -> Builder:
        return self.add(UpSampling(times))

    def reshape(self, *target) -> Builder:
        return self.add(Reshape(target))

    def permute(self, *dims) -> Builder:
        return self.add(Permute(dims))

    def relu(self) -> Builder:
        return self.add(ReLU())

    def tanh(self) -> Builder:
        return self.add(Tanh())

    def sigmoid(self) -> Builder:
        return self.add(Sigmoid())

    def prelu(self) -> Builder:
        return self.add(PReLU(), alpha=self.rng.uniform(-0.5, 1, self.shape[-1]))

    def flatten(self) -> Builder:
        return self.add(Flatten())

    def softmax(self) -> Builder:
        return self.add(Softmax())

    def batch_norm(self) -> Builder:
        channels = self.shape[-1:]
        return self.add(
            BatchNormalization(1e-3),
            gamma=self.rng.normal(size=channels), beta=self.rng.normal(size=channels),
            moving_mean=self.rng.normal(size=channels), moving_variance=self.rng.uniform(0.5, 2, channels),
        )  # fmt: skip

    def graph(self) -> Graph:
        return Graph("random", self.input_shape, tuple(self.nodes))

    def samples(self, n=8, *, signed=True) -> np.ndarray:
        low = -1 if signed else 0
        return self.rng.uniform(low, 1, (n, *self.input_shape))

    def quantized(self, weight_bits=8, activation_bits=8, *, signed=True, **scheme) -> QGraph:
        samples = self.samples(signed=signed)
        scheme = {"weight_bits": weight_bits, "activation_bits": activation_bits, **scheme}
        return quantize_graph(self.graph(), samples, Scheme(**scheme))
