"""Random small graphs with branches, over all layer kinds that integers pass through: what tests/test_random_graphs.py
runs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from dnn2fpga.quant.graph import QGraph
from dnn2fpga.quant.ops.add import Add, Subtract
from dnn2fpga.quant.ops.affine import Affine
from dnn2fpga.quant.ops.concatenate import Concatenate
from dnn2fpga.quant.ops.maximum import Maximum
from dnn2fpga.quant.ops.multiply import Multiply
from dnn2fpga.quant.ops.pack import Pack
from dnn2fpga.quant.ops.rectifiers import ELU, SELU, LeakyReLU
from dnn2fpga.quant.ops.relu import BentReLU
from dnn2fpga.quant.ops.slice import Slice
from dnn2fpga.quant.ops.smooth import Exponential, Gelu, HardSigmoid, HardSilu, Silu, Softplus, Softsign
from dnn2fpga.quant.ops.softmax import Softmax
from dnn2fpga.quant.ops.table import Sigmoid, Table, Tanh

from .networks import Builder

TABLES = (
    Tanh(), Sigmoid(), BentReLU(0.5), BentReLU(None, 0.1, 0.2), LeakyReLU(), ELU(), SELU(), Softplus(), Softsign(),
    HardSigmoid(), Silu(), HardSilu(), Gelu(), Exponential(),
)  # fmt: skip
MOST_VALUES = 300
"""A tensor has no more, or else Amaranth's simulator takes too long."""


@dataclass
class Grower:
    """Grows a graph from a seed: one to three inputs, two to nine layers, one output or several."""

    seed: int
    rng: np.random.Generator = field(init=False)
    net: Builder = field(init=False)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        shapes = [self._first_shape() for _ in range(self._of(1, 1, 1, 2, 3))]
        if len(shapes) == 1:
            self.net = Builder(shapes[0], self.seed)
        else:
            self.net = Builder((sum(map(math.prod, shapes)),), self.seed)
            start = 0
            for shape in shapes:
                self.net.back_to("/input").add(Slice(start, shape))
                start += math.prod(shape)
        self._grow()

    def quantized(self) -> QGraph:
        """In a random scheme. Raises `Refusal` where its few bits do not suffice."""
        return self.net.quantized(signed=self._chance(0.7), **self._scheme())

    # What is drawn

    def _of(self, *values):
        return values[self.rng.integers(len(values))]

    def _from(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def _chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def _first_shape(self) -> tuple[int, ...]:
        return self._of(
            (self._from(1, 6), self._from(1, 6), self._from(1, 4)),
            (self._from(2, 6), self._from(2, 6), self._of(2, 4)),
            (self._from(1, 9), self._from(1, 4)),
            (self._from(1, 12),),
        )

    def _scheme(self) -> dict:
        widths = (1, 2, 3, 4, 5, 6, 7, 8, 8, 16)
        weight_bits, activation_bits = self._of(*widths), self._of(*widths)
        kinds = {node.spec.kind for node in self.net.nodes}
        if any(isinstance(node.spec, Table | Softmax) for node in self.net.nodes):
            activation_bits = min(activation_bits, 8)  # a table of 16-bit values is too large to simulate
        sign = not kinds & {"relu", "prelu"} and self._chance(0.5)
        if kinds & {"relu", "prelu"}:
            activation_bits = max(activation_bits, 2)  # a signed bit is a sign, behind which a ReLU has nothing to do
        return {
            "weight_bits": weight_bits, "activation_bits": activation_bits, "symmetric": self._chance(0.5),
            "per_channel": self._chance(0.5), "power_of_two": self._chance(0.3), "sign": sign,
            "calibration": self._of("min_max", "mse"),
        }  # fmt: skip

    # How it grows

    def _leaves(self) -> list[str]:
        read = {name for node in self.net.nodes for name in node.inputs}
        return [node.name for node in self.net.nodes if node.name not in read]

    def _grow(self) -> None:
        for _ in range(self._from(2, 7)):
            leaves = self._leaves() or ["/input"]
            self.net.back_to(self._of(*leaves) if self._chance(0.7) else self._of(*self._tensors()))
            self._of(self._layer, self._layer, self._residual, self._branches, self._join)()
        for leaf in self._leaves():
            if leaf.startswith("slice"):
                self.net.back_to(leaf).dense(self._from(1, 3))
        leaves = self._leaves()
        if len(leaves) > 1:
            order = [leaves[at] for at in self.rng.permutation(len(leaves))]
            self.net.back_to(order[0]).add(Pack(), *order[1:])
        elif self._chance(0.2):
            self.net.softmax()

    def _tensors(self) -> list[str]:
        """What may be read: not what several inputs lie packed in."""
        packed = self.net.nodes and self.net.nodes[0].spec.kind == "slice"
        return [name for name in self.net.shapes if not (packed and name == "/input")]

    def _residual(self) -> None:
        """A way around some layers, met by whatever reads two tensors."""
        start = self.net.last
        for _ in range(self._from(1, 2)):
            self._alike()
        self._joined(start)

    def _branches(self) -> None:
        """Two or three ways from one tensor."""
        start = self.net.last
        ends = []
        for _ in range(self._from(2, 3)):
            self.net.back_to(start)
            self._alike()
            ends.append(self.net.last)
        join = self._of(Add(), Maximum(), Concatenate(-1), Concatenate(0))
        self.net.add(join, *ends[:-1])

    def _join(self) -> None:
        """With any tensor that fits."""
        fitting = [name for name in self._tensors() if self.net.shapes[name] == self.net.shape]
        self._joined(self._of(*fitting))

    def _joined(self, other: str) -> None:
        joins = [Add(), Add(), Subtract(), Multiply(), Maximum(), *map(Concatenate, range(-1, len(self.net.shape) - 1))]
        grown = [join for join in joins if join.kind != "concatenate" or self._fits(join, other)]
        self.net.add(self._of(*grown), other)
        if self._chance(0.3):
            self.net.relu()

    def _fits(self, join, other: str) -> bool:
        return math.prod(join.output_shape(self.net.shape, self.net.shapes[other])) <= MOST_VALUES

    def _alike(self) -> None:
        """A layer that keeps the shape."""
        kinds = [self._activation, lambda: self.net.dense(self.net.shape[-1])]
        if len(self.net.shape) > 1:
            kinds += [self._same_window, self._same_window, self._margins_and_back]
        self._of(*kinds)()

    def _same_window(self) -> None:
        flat = len(self.net.shape) == 2
        kernel = (1 if flat else self._from(1, 3), self._from(1, 3))
        channels = self.net.shape[-1]
        self._of(
            lambda: self.net.conv(channels, kernel, padding="same"),
            lambda: self.net.depthwise(1, kernel, padding="same"),
            lambda: self.net.pool(kernel, (1, 1), "same"),
            lambda: self.net.average(kernel, (1, 1), "same"),
        )()

    def _margins_and_back(self) -> None:
        margins = self._margins()
        self.net.zeros(margins).crop(margins)

    def _layer(self) -> None:
        """Any layer that takes the shape."""
        kinds = [self._activation, self._activation, lambda: self.net.dense(self._from(1, 6)), self._affine]
        kinds += [self._reshape]
        if len(self.net.shape) > 1:
            kinds += [self._conv, self._conv, self._pool, self._global, self._zeros, self._crop, self._repeat]
            kinds += [self._permute]
        self._of(*kinds)()

    def _activation(self) -> None:
        found = self._of("relu", "prelu", "softmax", "table", "table", "table")
        if found == "table":
            self.net.add(self._of(*TABLES))
        else:
            getattr(self.net, found)()
            if found == "softmax":
                self.net.relu()  # so that it is none at the end

    def _affine(self) -> None:
        if self._chance(0.6):
            self.net.batch_norm()
        else:
            self.net.add(Affine(shared=True), kernel=self.rng.normal(size=(1, 1)), bias=self.rng.normal(size=1))

    def _reshape(self) -> None:
        size = math.prod(self.net.shape)
        first = self._of(*(n for n in range(1, size + 1) if size % n == 0))
        second = self._of(*(n for n in range(1, size // first + 1) if size // first % n == 0))
        self._of(
            self.net.flatten,
            lambda: self.net.reshape(first, -1),
            lambda: self.net.reshape(first, second, -1),
        )()

    def _permute(self) -> None:
        self.net.permute(*(int(axis) + 1 for axis in self.rng.permutation(len(self.net.shape))))

    @property
    def _image(self) -> tuple[int, int, int]:
        """The shape, as an image."""
        shape = self.net.shape
        return shape if len(shape) == 3 else (1, *shape)  # type: ignore[return-value]

    def _window(self) -> tuple[tuple[int, int], tuple[int, int], str, dict]:
        """Any window that fits: kernel, strides, padding, and maybe a border."""
        height, width, _ = self._image
        flat = len(self.net.shape) == 2
        padding = self._of("valid", "same")
        most = (1 if flat else 3, 4)
        if padding == "valid":
            most = (min(most[0], height), min(most[1], width))
        kernel = (self._from(1, most[0]), self._from(1, most[1]))
        strides = (1 if flat else self._from(1, 3), self._from(1, 3))
        if padding == "same" or self._chance(0.6):
            return kernel, strides, padding, {}
        border = tuple((self._from(0, size - 1), self._from(0, size - 1)) for size in kernel)
        return kernel, strides, padding, {"border": border}

    def _conv(self) -> None:
        kernel, strides, padding, window = self._window()
        height, width, channels = self._image
        if self._chance(0.3):
            steps = tuple(
                self._from(1, 3 if padding == "same" or taps == 1 else min(3, (size - 1) // (taps - 1)))
                for taps, size in zip(kernel, (height, width), strict=True)
            )
            window = {**window, "dilation": steps} if min(steps) > 0 else window
        if self._chance(0.3) and channels * 2 <= 12:
            self.net.depthwise(self._of(1, 1, 2), kernel, strides, padding, **window)
        else:
            groups = self._of(*(n for n in range(1, channels + 1) if channels % n == 0))
            filters = groups * self._from(1, max(1, 6 // groups))
            self.net.conv(filters, kernel, strides, padding, groups=groups, **window)

    def _pool(self) -> None:
        kernel, strides, padding, window = self._window()
        self._of(self.net.pool, self.net.average)(kernel, strides, padding, **window)

    def _global(self) -> None:
        self._of(self.net.global_average, self.net.global_max)(keepdims=self._chance(0.4))

    def _margins(self):
        rows = (0, 0) if len(self.net.shape) == 2 else (self._from(0, 2), self._from(0, 2))
        return rows, (self._from(0, 2), self._from(0, 2))

    def _zeros(self) -> None:
        strides = (1 if len(self.net.shape) == 2 else self._from(1, 2), self._from(1, 2))
        height, width, channels = self._image
        if (strides[0] * height + 4) * (strides[1] * width + 4) * channels <= MOST_VALUES:
            self.net.zeros(self._margins(), strides)
        else:
            self._activation()

    def _crop(self) -> None:
        height, width, _ = self._image
        top, left = self._from(0, min(2, height - 1)), self._from(0, min(2, width - 1))
        bottom, right = self._from(0, min(2, height - 1 - top)), self._from(0, min(2, width - 1 - left))
        self.net.crop(((top, bottom), (left, right)))

    def _repeat(self) -> None:
        times = (1 if len(self.net.shape) == 2 else self._from(1, 3), self._from(1, 3))
        if math.prod(times) * math.prod(self.net.shape) <= MOST_VALUES:
            self.net.repeat(times)
        else:
            self._activation()
