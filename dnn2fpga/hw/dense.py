"""Sums of products over a stream, folded onto a MAC array: a dense layer, and the heart of a convolution."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from amaranth import C, Module, Mux, Shape, Signal, Value
from amaranth.lib import data

from ..quant.graph import QNode
from . import deal, queue
from .deal import Deal
from .layer import LayerComponent, divisors
from .mac import MacArray, Products
from .queue import CreditQueue
from .requantize import Requantize
from .resources import Device, Resources, adder, register
from .steps import Steps
from .sums import Sums
from .timing import Buffer, InParts, Peek, Pop, Process, Put
from .unrolled import UnrolledFolding, unrolled


@dataclass(frozen=True, eq=False)
class DenseFolding(Steps):
    """How `sums` are folded: `outputs × inputs` terms a step, `inputs` values a word in, `outputs` a word out.

    Of several blocks `parallel` are worked on at once, each of `inputs` values a word in, the first block's first;
    their `outputs` then are all that they have. Of the multipliers, if it takes such, `soft` of the array's are made
    of LUTs, and so are the requantizer's unless `rescale_dsp`. `pairs` are products of which two share a multiplier.
    """

    sums: Sums
    outputs: int
    inputs: int
    soft: int = 0
    rescale_dsp: bool = True
    parallel: int = 1
    pairs: Products | None = None

    def __post_init__(self) -> None:
        self.check_outputs()
        k = len(self.sums.kernel)
        if not 1 <= self.inputs <= k:
            raise ValueError(f"inputs must be from 1 to {k}, not {self.inputs!r}")

    @property
    def products(self) -> Products:
        """How inputs and weights come to sums."""
        return self.pairs or self.sums.products

    @property
    def sum_latency(self) -> int:
        """Cycles from the step that completes a sum to the sum."""
        return self.weight_latency + self.products.sum_latency(self.inputs) + (self.words > 1)

    @property
    def weight_latency(self) -> int:
        """Cycles from a step to its weights."""
        return deal.latency(self.rows, self.weight_bits)

    @property
    def held(self) -> int:
        """Of the cycles until a word's first weights come, those that it is waited for in the stream at least."""
        return min(self.groups, self.weight_latency) - 1

    @property
    def rows(self) -> int:
        """Rows of weights."""
        return 1 if self.sums.weightless else self.rounds * self.steps

    @property
    def latency(self) -> int:
        """Cycles from the step that completes a sum to its integer, before the queue."""
        return self.sum_latency + self.sums.rescale.latency

    @property
    def depth(self) -> int:
        """Room in the queue."""
        return queue.depth_for(self.latency, self.groups, self.steps)

    @property
    def multipliers(self) -> int:
        """Multipliers in the array: none where a term takes none."""
        return self.products.units(self.outputs, self.inputs) * self.products.multipliers

    @property
    def weight_bits(self) -> int:
        """Bits of weights a step."""
        return self.outputs * self.inputs * self.products.weight.width

    @property
    def memory_bits(self) -> int:
        """Bits of weights."""
        return 0 if self.sums.weightless else self.rows * self.weight_bits

    @property
    def i(self) -> Shape:
        """Shape of an input value."""
        return self.sums.i

    @property
    def o(self) -> Shape:
        """Shape of an output value."""
        return self.sums.o

    @property
    def o_lanes(self) -> int:
        """Values a word out."""
        return self.outputs

    @property
    def least_cycles(self) -> int:
        """One step a clock."""
        return self.results * self.steps

    def resources(self, device: Device) -> Resources:
        """What it takes of a chip, estimated."""
        sums = self.sums
        taken = Resources(luts=20, ffs=10) + deal.resources(self.rows, self.weight_bits, device)
        taken += register((self.weight_latency - self.held) * self.i_lanes * sums.i.width)
        lanes_ = {"outputs": self.outputs, "inputs": self.inputs, "soft": self.soft}
        if self.rows == 1:
            taken += self.products.constant_resources(device, **lanes_, blocks=self.parallel)
        else:
            taken += self.products.resources(device, **lanes_)
        if self.words > 1:
            held = register(self.products.total.width * (self.groups - 1))
            taken += (adder(self.products.total.width) + held) * self.outputs
        taken += sums.rescale.resources(self.outputs, device, dsp=self.rescale_dsp)
        return taken + queue.resources(self.depth, self.outputs * sums.o.width, device)

    def timing(self) -> Iterator[Process | Buffer]:
        """As timed stages."""
        yield self._steps(self.words)
        yield queue.timing(self.depth, self.latency)

    def timing_in_parts(self) -> Iterator[Process | Buffer]:
        """The same behind a `Narrow` that deals all words of a sum out, and `MasterSlave`."""
        yield InParts(parts=self.words, cycles=self.groups)
        yield self._steps(1)
        yield queue.timing(self.depth, self.latency)

    def _steps(self, words: int) -> Process:
        at = -1
        while True:
            for _ in range(words - 1):
                at = max(at + 1, (yield Peek())) + self.groups - 1
                yield Pop(at)
            at = max(at, (yield Peek()) - 1)
            for _ in range(self.groups):
                at = yield Put(at + 1)
            yield Pop(at)

    def build(self) -> "Dense":
        """The component."""
        return Dense(self)

    def with_fewer_dsps(self, excess: int) -> "Iterator[DenseFolding]":
        """With the requantizer's multipliers made of LUTs, or `excess` of the array's."""
        if self.rescale_dsp and self.sums.rescale.scaled.multipliers:
            yield replace(self, rescale_dsp=False)
        if self.soft < self.multipliers:
            yield replace(self, soft=min(self.soft + excess, self.multipliers))

    def with_pairs(self, device: Device) -> "Iterator[DenseFolding]":
        """With two products a multiplier, where one of `device` holds two, and two lanes have inputs in common."""
        if self.outputs // self.parallel % 2 == 0 and (pairs := self.sums.pairs(device)):
            yield replace(self, pairs=pairs)


def foldings(node: QNode) -> Iterator[DenseFolding | UnrolledFolding]:
    """Every folding of an integer dense layer: its words come from a stream, which they must divide."""
    sums = Sums.of(node)
    for folding in sum_foldings(sums):
        if len(folding.sums.kernel) % folding.inputs == 0:
            yield folding
    yield from unrolled(sums)


def sum_foldings(sums: Sums) -> Iterator[DenseFolding]:
    """Every folding worth a look: of those that take as many steps, the one with the fewest inputs."""
    k, channels = sums.kernel.shape
    own = channels // sums.blocks
    lanes_ = [(outputs, 1) for outputs in divisors(own)]
    lanes_ += [(own * parallel, parallel) for parallel in divisors(sums.blocks) if parallel > 1]
    for outputs, parallel in lanes_:
        for words in sorted({-(-k // inputs) for inputs in range(1, k + 1)}):
            yield DenseFolding(sums, outputs, -(-k // words), parallel=parallel)


class Dense(LayerComponent[DenseFolding]):
    """Sums of products over a stream.

    `i` brings `inputs` values a word, `o` takes `outputs` a word. Each word that comes in is held for as many steps
    as there are groups of outputs; the sums of all groups go round in a ring of registers and leave with the last
    word. One step a clock, without a pause between results.
    """

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        folding, sums = self.folding, self.folding.sums
        outputs = folding.outputs

        m.submodules.weights = weights = Deal(self._weight_rows(), folding.products.weight)
        m.submodules.array = array = MacArray(
            folding.products, outputs=outputs, inputs=folding.inputs, soft=folding.soft, blocks=folding.parallel
        )
        m.submodules.requantize = requantize = Requantize(sums.rescale, outputs, dsp=folding.rescale_dsp)
        m.submodules.queue = results = CreditQueue(sums.o, outputs, folding.depth)

        # The sequence: one step a clock, as long as there is a word, and room for what the last word gives.
        group, word = Signal(range(folding.groups)), Signal(range(folding.words))
        # Known a cycle early, down to whether a word can be taken: all layers before this one wait for that.
        last_group, last_word = Signal(init=folding.groups == 1), Signal(init=folding.words == 1)
        ready = Signal(init=folding.groups == 1)
        next_group, next_word = Signal(), Signal()  # what `last_group` and `last_word` will be
        may_step, step = Signal(), Signal()
        m.d.comb += [
            may_step.eq(~last_word | results.free),
            step.eq(self.i.valid & may_step),
            self.i.ready.eq(ready),
            results.book.eq(step & last_word),
            weights.step.eq(step),
        ]
        m.d.comb += [next_group.eq(last_group), next_word.eq(last_word)]
        with m.If(step):
            m.d.sync += group.eq(Mux(last_group, 0, group + 1))
            m.d.comb += next_group.eq(Mux(last_group, folding.groups == 1, group == folding.groups - 2))
            with m.If(last_group):
                m.d.sync += word.eq(Mux(last_word, 0, word + 1))
                m.d.comb += next_word.eq(Mux(last_word, folding.words == 1, word == folding.words - 2))
        m.d.sync += [
            last_group.eq(next_group),
            last_word.eq(next_word),
            ready.eq(next_group & (~next_word | results.next_free)),
        ]

        # The inputs wait for their weights: in the stream as long as they are there anyhow, and then in registers.
        loads: Value = C(1)
        if folding.held:
            begins = Signal(folding.held + 1, reset_less=True)
            m.d.comb += begins[0].eq(step & (group == 0))
            m.d.sync += begins[1:].eq(begins)
            loads = begins[-1]
        x = self.i.payload
        for at in range(folding.held, weights.latency):
            later = Signal.like(x, name=f"x{at}", reset_less=True)
            with m.If(loads):
                m.d.sync += later.eq(x)
            x, loads = later, C(1)
        m.d.comb += [array.x.eq(x), array.w.eq(weights.row)]

        # What each step is travels beside it: tag[n] is that of the step n cycles ago.
        depth = folding.latency + 1
        valid, first, last = Signal(depth), Signal(depth), Signal(depth)
        m.d.comb += [valid[0].eq(step), first[0].eq(word == 0), last[0].eq(step & last_word)]
        m.d.sync += [tag[1:].eq(tag) for tag in (valid, first, last)]

        at = weights.latency + array.latency
        if folding.words == 1:
            m.d.comb += requantize.sums.eq(array.sums)
        else:
            ring = Signal(data.ArrayLayout(array.sums.shape(), folding.groups), reset_less=True)
            m.d.comb += requantize.sums.eq(ring[folding.groups - 1])
            with m.If(valid[at]):
                for group_at in range(folding.groups - 1):
                    m.d.sync += ring[group_at].eq(ring[group_at + 1])
                for lane in range(outputs):
                    so_far = Mux(first[at], 0, ring[0][lane])
                    m.d.sync += ring[folding.groups - 1][lane].eq(so_far + array.sums[lane])

        m.d.comb += [
            requantize.announce.eq(last[folding.sum_latency - requantize.lead]),
            results.word.eq(requantize.o),
            results.give.eq(last[folding.latency]),
            self.o.payload.eq(results.o.payload),
            self.o.valid.eq(results.o.valid),
            results.o.ready.eq(self.o.ready),
        ]
        return m

    def _weight_rows(self) -> list[list[int]]:
        """One row a step: for each turn, for each word of inputs, each group of outputs."""
        folding = self.folding
        if folding.sums.weightless:
            return [[0] * (folding.outputs * folding.inputs)]
        k, channels = folding.sums.kernel.shape
        kernel = np.zeros((folding.words * folding.inputs, channels), np.int64)
        kernel[:k] = folding.products.stored
        grid = kernel.reshape(folding.words, folding.inputs, folding.rounds, folding.groups, folding.outputs)
        return grid.transpose(2, 0, 3, 4, 1).reshape(folding.rows, -1).tolist()
