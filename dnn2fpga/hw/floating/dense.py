"""Sums of products in floating point over a stream: the component that a `FloatDenseFolding` describes."""

from typing import TYPE_CHECKING

from amaranth import Module, Mux, Shape, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..deal import Deal
from ..queue import CreditQueue
from ..stream import lanes
from .accumulate import Accumulate
from .bits import later, unpacked
from .combine import Combine
from .multiply import Product
from .unpack import Unpack

if TYPE_CHECKING:
    from ..float_dense import FloatDenseFolding


class FloatDense(wiring.Component):
    """Sums of products in floating point over a stream of ordered codes.

    `i` brings `inputs` values a word. Each word is held for as many steps as there are groups of outputs; the partial
    sums of all groups go round in rings of adders, one step a clock, and are added up behind them while the steps of
    the next result are made. `o` takes a result's values one after another, one of each of the combiner's lanes.
    """

    def __init__(self, folding: "FloatDenseFolding") -> None:
        self.folding = folding
        super().__init__({"i": In(lanes(folding.i, folding.i_lanes)), "o": Out(lanes(folding.o, folding.o_lanes))})

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        folding, sums, fmt = self.folding, self.folding.sums, self.folding.sums.fmt
        order, layout = folding.finished, unpacked(fmt)
        m.submodules.weights = weights = Deal(folding.weight_rows, Shape(layout.size))
        m.submodules.float_combine = combine = Combine(order, folding.bias_bits, fmt, sums.o)
        m.submodules.queue = results = CreditQueue(folding.o, folding.o_lanes, folding.depth, order.words)

        step, first, finished, last = self._sequence(m, results)
        m.d.comb += weights.step.eq(step)

        # What each step is travels beside it: tag[n] is that of the step n cycles ago.
        tags = [Signal(folding.sum_latency + 1, name=name) for name in ("first_tag", "finished_tag", "last_tag")]
        for tag, now in zip(tags, (first, finished, last), strict=True):
            m.d.comb += tag[0].eq(step & now)
            m.d.sync += tag[1:].eq(tag)
        first_tag, finished_tag, last_tag = tags

        # Inputs wait for their weights, or weights for their inputs. Without a step, a zero leaves all sums alone.
        inputs = []
        for lane, code in enumerate(self.i.payload):
            m.submodules[f"float_unpack{lane}"] = unpack = Unpack(sums.i)
            m.d.comb += unpack.code.eq(Mux(step, code, 0))
            inputs.append(later(m, unpack.o, folding.lead - Unpack.latency, f"input{lane}"))
        row = later(m, weights.row, folding.lead - weights.latency, "row")

        for index in range(folding.multipliers):
            m.submodules[f"float_product{index}"] = product = Product(fmt, dsp=index >= folding.soft)
            m.submodules[f"float_sum{index}"] = partial = Accumulate(fmt, max(folding.ring, Accumulate.latency))
            m.d.comb += [
                product.a.eq(inputs[index % folding.inputs]),
                Value.cast(product.b).eq(row[index]),
                partial.x.eq(product.p),
                partial.first.eq(first_tag[folding.lead + product.latency]),
                combine.sums[index].eq(partial.s),
            ]
        m.d.comb += [
            combine.finished.eq(finished_tag[folding.sum_latency]),
            combine.last.eq(last_tag[folding.sum_latency]),
            results.word.eq(combine.o),
            results.give.eq(combine.give),
            self.o.payload.eq(results.o.payload),
            self.o.valid.eq(results.o.valid),
            results.o.ready.eq(self.o.ready),
        ]
        return m

    def _sequence(self, m: Module, results: CreditQueue) -> tuple[Value, Value, Value, Value]:
        """The steps, as long as there is a word, it is their turn, and there is room for what the last one gives.

        Answers whether there is a step, and which of a result's it is: of the first turns, of the last, the very last.
        """
        folding = self.folding
        group, word = Signal(range(folding.groups)), Signal(range(folding.words))
        last_group, last_word = group == folding.groups - 1, word == folding.words - 1
        begins, ends = (word == 0) & (group == 0), last_word & last_group
        wait = Signal(range(folding.ring))  # cycles until the ring is there
        rest = Signal(range(folding.rest + 1))
        may_step, step = Signal(), Signal()
        turn = wait == 0 if folding.recurs else 1
        m.d.comb += [
            may_step.eq(Mux(begins, rest == 0, turn) & (~ends | results.free)),
            step.eq(self.i.valid & may_step),
            self.i.ready.eq(may_step & last_group),
            results.book.eq(step & ends),
        ]
        m.d.sync += [
            wait.eq(Mux(step, 0, Mux(wait == 0, folding.ring - 1, wait - 1))),
            rest.eq(Mux(step & ends, folding.rest, Mux(rest == 0, 0, rest - 1))),
        ]
        with m.If(step):
            m.d.sync += group.eq(Mux(last_group, 0, group + 1))
            with m.If(last_group):
                m.d.sync += word.eq(Mux(last_word, 0, word + 1))
        return step, word < folding.turns, word >= folding.words - folding.turns, ends
