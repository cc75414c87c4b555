"""Sums of products in floating point, folded onto multipliers and adders: a dense layer, the heart of a convolution."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
from amaranth import Shape

from ..quant.floating import FloatFormat
from ..quant.graph import QNode
from ..quant.ops.float_mac import PARTIALS
from . import deal, queue
from .fixed import shape_of
from .floating import Accumulate, Finished, Product, Unpack, accumulate, combine, multiply, unpack
from .floating.bits import unpacked
from .floating.dense import FloatDense
from .layer import divisors
from .resources import Device, Resources, register
from .steps import Steps
from .timing import Buffer, Peek, Pop, Process, Put


@dataclass(frozen=True, eq=False)
class FloatSums:
    """What a folded layer computes: `kernel` (k, channels) and `bias` (channels), ordered codes of finite floats.

    `i` and `o` are the formats of its inputs and outputs, which differ in nothing but their sign. The order of all
    additions is that of `quant.ops.float_mac`. A tensor has that many `positions`. Raises
    `ValueError` on a weight that is no number.
    """

    kernel: np.ndarray
    bias: np.ndarray
    i: FloatFormat
    o: FloatFormat
    positions: int = 1
    blocks: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if self.i.name != self.o.name:
            raise ValueError(f"i and o must be floats of one format, not {self.i.name} and {self.o.name}")
        for name in ("kernel", "bias"):
            codes = getattr(self, name)
            # A step without an input multiplies the weights by 0, which must give 0.
            if not ((codes >= ~self.fmt.infinity + 1) & (codes < self.fmt.infinity)).all():
                raise ValueError(f"{name} must hold finite floats only")

    @staticmethod
    def of(node: QNode) -> "FloatSums":
        """Those of a layer."""
        assert isinstance(node.i, FloatFormat)
        assert isinstance(node.o, FloatFormat)
        return FloatSums(node.arrays["kernel"], node.arrays["bias"], node.i, node.o, math.prod(node.output_shape[:-1]))

    @property
    def fmt(self) -> FloatFormat:
        """The format of all sums."""
        return FloatFormat(self.i.name)


@dataclass(frozen=True, eq=False)
class FloatDenseFolding(Steps):
    """How `sums` are folded: `outputs × inputs` multipliers with an adder each, `inputs` (1, 2, 4 or 8) values a word.

    The partial sums of each multiplier's adder go round in a ring, `turns` for each group of outputs. It never stands
    still: a step that misses its turn, since its input came late, waits until the ring has come round. Only the first
    step of a result may come at any time. `soft` of the multipliers are made of LUTs.

    Raises `ValueError` on lanes that do not divide evenly, and if an addition takes longer than the ring.
    """

    sums: FloatSums
    outputs: int
    inputs: int
    soft: int = 0

    def __post_init__(self) -> None:
        self.check_outputs()
        k = len(self.sums.kernel)
        if not (1 <= self.inputs <= k and PARTIALS % self.inputs == 0):
            raise ValueError(f"inputs must be 1, 2, 4 or 8 and at most {k}, not {self.inputs!r}")
        if self.recurs and self.ring < Accumulate.latency:
            raise ValueError(f"a ring of {self.ring} partial sums is too short, {Accumulate.latency} are needed")

    @property
    def turns(self) -> int:
        """Partial sums of one output that each multiplier serves."""
        return min(PARTIALS // self.inputs, self.words)

    @property
    def ring(self) -> int:
        """Partial sums that each adder serves."""
        return self.turns * self.groups

    @property
    def recurs(self) -> bool:
        """Whether any partial sum has more than one product."""
        return self.words > self.turns

    @cached_property
    def finished(self) -> Finished:
        """How partial sums come to the combiner: of as few lanes as keep up with the steps."""
        first_turn = (self.words - self.turns) % self.turns
        orders = [
            Finished(self.turns, self.groups, self.outputs, self.inputs, first_turn, lanes)
            for lanes in range(1, self.outputs + 1)
            if self.outputs % lanes == 0
        ]
        return next(order for order in orders if order.cycles <= max(self.steps, orders[-1].cycles))

    @property
    def rest(self) -> int:
        """Cycles between two results in which the combiner catches up."""
        return max(self.finished.cycles - self.steps, 0)

    @property
    def lead(self) -> int:
        """Cycles from a step to its inputs and weights."""
        return max(Unpack.latency, deal.latency(self.steps, self.multipliers * self._weight.width))

    @property
    def sum_latency(self) -> int:
        """Cycles from a step to its partial sum."""
        return self.lead + Product.latency_of(self.sums.fmt) + Accumulate.latency

    @property
    def latency(self) -> int:
        """Cycles from the last step of a result to its first word, before the queue; the others follow one a cycle."""
        return self.sum_latency + self.finished.latency

    @property
    def depth(self) -> int:
        """Results that the queue has room for."""
        return queue.depth_for(self.latency + self.finished.words - 1, 1, self.period)

    @property
    def multipliers(self) -> int:
        """Multipliers in the array."""
        return self.outputs * self.inputs

    @property
    def memory_bits(self) -> int:
        """Bits of weights."""
        return self.steps * self.multipliers * self._weight.width

    @property
    def bias_bits(self) -> list[int]:
        """IEEE 754's bits of each bias."""
        codes, sign = self.sums.bias, 1 << (self.sums.fmt.bits - 1)
        return np.where(codes < 0, ~codes | sign, codes).tolist()

    @property
    def weight_rows(self) -> list[list[int]]:
        """Unpacked weights, one row a step: for each word of inputs, each group of outputs."""
        fmt = self.sums.fmt
        k, channels = self.sums.kernel.shape
        kernel = np.full((self.words * self.inputs, channels), unpack.unpack(0, fmt), np.int64)
        kernel[:k] = np.vectorize(lambda code: unpack.unpack(int(code), fmt), otypes=[np.int64])(self.sums.kernel)
        grid = kernel.reshape(self.words, self.inputs, self.groups, self.outputs)
        return grid.transpose(0, 2, 3, 1).reshape(self.steps, -1).tolist()

    @property
    def _weight(self) -> Shape:
        """The shape of a weight as it is kept: unpacked."""
        return Shape(unpacked(self.sums.fmt).size)

    @property
    def i(self) -> Shape:
        """Shape of an input code."""
        return shape_of(self.sums.i)

    @property
    def o(self) -> Shape:
        """Shape of an output code."""
        return shape_of(self.sums.o)

    @property
    def o_lanes(self) -> int:
        """Values a word out: one of each of the combiner's lanes."""
        return self.finished.lanes

    @property
    def least_cycles(self) -> int:
        """One step a clock, and the rest."""
        return self.results * self.period

    @property
    def period(self) -> int:
        """Cycles from one result to the next at least."""
        return self.steps + self.rest

    def resources(self, device: Device) -> Resources:
        """What it takes of a chip, estimated."""
        fmt = self.sums.fmt
        taken = Resources(luts=60, ffs=60)
        taken += deal.resources(self.steps, self.multipliers * self._weight.width, device)
        taken += unpack.resources(fmt) * self.inputs
        taken += register((self.lead - Unpack.latency) * self.inputs * self._weight.width)
        lane = accumulate.resources(fmt, max(self.ring, Accumulate.latency), device)
        taken += lane * self.multipliers
        taken += multiply.resources(fmt, device, dsp=True) * (self.multipliers - self.soft)
        taken += multiply.resources(fmt, device, dsp=False) * self.soft
        taken += combine.resources(self.finished, fmt, device)
        room = self.depth * self.finished.words
        return taken + queue.resources(room, self.o_lanes * self.o.width, device)

    def timing(self) -> Iterator[Process | Buffer]:
        """As timed stages."""
        yield self._steps()
        yield queue.timing(self.depth, self.latency)
        yield queue.burst(self.finished.words)

    def _steps(self) -> Process:
        every = self.ring if self.recurs else 1
        at = -1
        while True:
            for step in range(self.steps):
                if step % self.groups == 0:
                    offered = yield Peek()
                at = max(at + 1, offered)
                if step == 0:
                    begin = at
                at += (begin + step - at) % every
                if step == self.steps - 1:
                    at = yield Put(at, every)
                if step % self.groups == self.groups - 1:
                    yield Pop(at)
            at += self.rest

    def build(self) -> FloatDense:
        """The component."""
        return FloatDense(self)

    def with_fewer_dsps(self, excess: int) -> "Iterator[FloatDenseFolding]":
        """With `excess` of the multipliers made of LUTs."""
        if self.soft < self.multipliers:
            yield replace(self, soft=min(self.soft + excess, self.multipliers))


def foldings(node: QNode) -> Iterator[FloatDenseFolding]:
    """Every folding of a dense layer: its words come from a stream, which they must divide."""
    for folding in sum_foldings(FloatSums.of(node)):
        if len(folding.sums.kernel) % folding.inputs == 0:
            yield folding


def sum_foldings(sums: FloatSums) -> Iterator[FloatDenseFolding]:
    """Every folding whose ring is long enough, and whose last word is not all zeros however the words are dealt."""
    k, channels = sums.kernel.shape
    for outputs in divisors(channels):
        for inputs in (n for n in (1, 2, 4, 8) if n <= k and -(-k // -(-k // n)) == n):
            try:
                yield FloatDenseFolding(sums, outputs, inputs)
            except ValueError:
                continue
