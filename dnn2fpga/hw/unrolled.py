"""The unrolled mapping: sums of products with weights melted into adders, all sums of one position a clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from amaranth import Cat, Module, Shape, Signal, Value
from amaranth.lib import wiring

from . import constant_matrix, queue
from .adder_graph import AdderGraph, count_digits, graph_of
from .constant_matrix import ConstantMatrix
from .fixed import maximum, minimum, shape_for
from .layer import LayerComponent
from .queue import CreditQueue
from .requantize import Requantize, Rescale
from .resources import Device, Resources, adder, register
from .stream import connect
from .sums import Sums
from .timing import Buffer, Process, one_a_clock

MOST_DIGITS = 12_000
"""A kernel with more signed digits than these is not unrolled: its adders would fill any chip that we know."""


LEAST_ADDERS = 0.3
"""Adders for each signed digit of a kernel, at least: the seed network's second convolution has 0.41."""

CYCLES_A_HOP = 8
"""Cycles of a pipeline of several layers in which a word may get as far as a signal does in one, at least."""


@dataclass(frozen=True, eq=False)
class UnrolledFolding:
    """`sums` unrolled: all inputs of a position in one word, all its outputs in another, a position a clock.

    With several blocks, the first block's inputs come first. The requantizer's multipliers are hard where the chip
    has such, if `rescale_dsp` says so. The payload of a word in stands `late` cycles after the word is taken. An `open`
    one has no queue: a word out is offered, and taken, in the very cycle in which the word in is, and its payload
    stands `latency` cycles after.
    """

    sums: Sums
    rescale_dsp: bool = True
    late: int = 0
    open: bool = False

    multipliers = 0
    memory_bits = 0
    words = 1
    rounds = 1

    @property
    def inputs(self) -> int:
        """Values of each block a word in: all."""
        return len(self.sums.kernel)

    @property
    def parallel(self) -> int:
        """Blocks worked on at once: all."""
        return self.sums.blocks

    @property
    def i_lanes(self) -> int:
        """Values a word in."""
        return self.inputs * self.parallel

    @property
    def o_lanes(self) -> int:
        """Values a word out: all channels."""
        return self.sums.kernel.shape[1]

    @property
    def i(self) -> Shape:
        """Shape of an input value."""
        return self.sums.i

    @property
    def o(self) -> Shape:
        """Shape of an output value."""
        return self.sums.o

    @property
    def least_cycles(self) -> int:
        """A position a clock."""
        return self.sums.positions

    @cached_property
    def graphs(self) -> list[AdderGraph]:
        """The adders of each block."""
        return [graph_of(kernel, self.i) for kernel in np.split(self.sums.kernel, self.sums.blocks, axis=1)]

    @cached_property
    def rescale(self) -> Rescale:
        """What follows the sums."""
        low, high = minimum(self.i), maximum(self.i)
        positive, negative = (part(self.sums.kernel, 0).sum(0) for part in (np.maximum, np.minimum))
        least, greatest = positive * low + negative * high, positive * high + negative * low
        return self.sums.rescale_of(shape_for(min(int(least.min()), -1), int(greatest.max())))

    @property
    def sum_latency(self) -> int:
        """Cycles from a word's payload to its sums: a register, for what many adders read may come from far, and
        those of the deepest block.
        """
        return 1 + max(graph.depth for graph in self.graphs)

    @property
    def latency(self) -> int:
        """Cycles from the taking of a word to its integers, before the queue."""
        return self.late + self.sum_latency + self.rescale.latency

    @property
    def depth(self) -> int:
        """Room in the queue."""
        return queue.depth_for(self.latency, 1, 1, self.back)

    @property
    def back(self) -> int:
        """Of the queue: a register more on the way back to the head for every few cycles of the layers before."""
        return queue.BACK + self.late // CYCLES_A_HOP

    def at_least(self, device: Device) -> Resources:
        """Less than it takes, unless its channels have uncommonly much in common."""
        adders = int(LEAST_ADDERS * count_digits(np.unique(self.sums.kernel, axis=1)))
        return adder(self.i.width) * adders

    def resources(self, device: Device) -> Resources:
        """What it takes of a chip, estimated."""
        taken = sum((constant_matrix.resources(graph) for graph in self.graphs), Resources(luts=10, ffs=10))
        width = self.rescale.total.width * self.o_lanes // self.parallel
        taken += register(width) * sum(self.sum_latency - 1 - graph.depth for graph in self.graphs)
        taken += register(self.i.width * self.i_lanes)
        taken += self.rescale.resources(self.o_lanes, device, dsp=self.rescale_dsp)
        return taken if self.open else taken + queue.resources(self.depth, self.o_lanes * self.o.width, device)

    def timing(self) -> Iterator[Process | Buffer]:
        """Its timed twin."""
        if not self.open:
            yield one_a_clock()
            yield queue.timing(self.depth, self.latency, self.back)

    def build(self) -> Unrolled:
        """The component."""
        return Unrolled(self)

    def with_fewer_dsps(self, excess: int) -> Iterator[UnrolledFolding]:
        """With the requantizer's multipliers made of LUTs."""
        if self.rescale_dsp and self.rescale.scaled.multipliers:
            yield replace(self, rescale_dsp=False)


def unrolled(sums: Sums, late: int = 0) -> Iterator[UnrolledFolding]:
    """The unrolled mapping, for words that come `late`.

    None if it is beyond all bounds, or if the constants change from position to position.
    """
    if len(sums.offset) == sums.kernel.shape[1] and count_digits(sums.kernel) <= MOST_DIGITS:
        yield UnrolledFolding(sums, late=late)


class Unrolled(LayerComponent[UnrolledFolding]):
    """Sums of products in adders, a word in and a word out every clock."""

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        folding = self.folding
        rescale, k = folding.rescale, folding.inputs
        m.submodules.requantize = requantize = Requantize(rescale, folding.o_lanes, dsp=folding.rescale_dsp)
        x = Signal.like(self.i.payload, reset_less=True)
        m.d.sync += x.eq(self.i.payload)
        sums: list[Value] = []
        for block, graph in enumerate(folding.graphs):
            m.submodules[f"adders{block}"] = adders = ConstantMatrix(graph, rescale.total, folding.sum_latency - 1)
            m.d.comb += [adders.x[at].eq(x[block * k + at]) for at in range(k)]
            sums.append(adders.sums.as_value())
        m.d.comb += requantize.sums.as_value().eq(Cat(*sums))
        if folding.open:
            m.d.comb += [
                self.o.payload.eq(requantize.o),
                self.o.valid.eq(self.i.valid),
                self.i.ready.eq(self.o.ready),
            ]
            return m
        m.submodules.queue = results = CreditQueue(folding.o, folding.o_lanes, folding.depth, back=folding.back)
        results.book_each(m, wiring.flipped(self.i), folding.latency)
        m.d.comb += results.word.eq(requantize.o)
        connect(m, results.o, wiring.flipped(self.o))
        return m
