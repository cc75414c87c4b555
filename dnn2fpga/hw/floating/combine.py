"""From partial sums to sums: the finished ones are kept, then added to the bias, one a cycle."""

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth import Cat, Module, Mux, Shape, Signal, Value
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from ...quant.floating import FloatFormat
from .. import deal
from ..deal import Deal
from ..fixed import shape_of
from ..resources import Device, Resources
from . import accumulate
from .accumulate import Accumulate
from .bits import code_of_bits, later


@dataclass(frozen=True)
class Finished:
    """In which order partial sums are finished.

    In each of `turns · groups` steps `outputs · inputs` of them are: for each turn, for each group of outputs, each
    output's, those of `inputs` neighboring partial sums. The first turn is number `first_turn`, the others follow
    round. `lanes` of the outputs leave at once, so that each lane of the combiner serves `shared`.
    """

    turns: int
    groups: int
    outputs: int
    inputs: int
    first_turn: int
    lanes: int

    @property
    def shared(self) -> int:
        """Outputs that one lane adds up."""
        return self.outputs // self.lanes

    @property
    def words(self) -> int:
        """Words that leave for one result."""
        return self.groups * self.shared

    @property
    def partials(self) -> int:
        """Partial sums of one sum."""
        return self.turns * self.inputs

    @property
    def steps(self) -> int:
        """Steps in which partial sums are finished."""
        return self.turns * self.groups

    @property
    def places(self) -> int:
        """Cycles from one partial sum of a sum to its next."""
        return max(self.words, Accumulate.latency)

    @property
    def cycles(self) -> int:
        """Cycles that one result takes."""
        return self.partials * self.places

    @property
    def latency(self) -> int:
        """Cycles from the last partial sum of a result to its first sum; the others follow one a cycle."""
        return 1 + READ + Accumulate.latency + (self.partials - 1) * self.places


READ = 2
"""Cycles from an address to the partial sum that is kept there, chosen among its neighbors."""


class Combine(wiring.Component):
    """Partial sums, packed, to the codes of sums in the format `o`: the bias plus partial sums 0, 1, 2, … in order.

    `sums` holds those of output 0 first, and is kept while `finished`; with the `last` of a result, adding begins.
    `o` holds `finished.lanes` codes while `give`. Results may follow one another in `finished.cycles` cycles.
    `bias` lists the bits of each channel's.
    """

    def __init__(self, finished: Finished, bias: Sequence[int], fmt: FloatFormat, o: FloatFormat) -> None:
        self.order, self.bias, self.fmt, self.o_fmt = finished, bias, fmt, o
        self.bits = Shape(fmt.exponent_bits + fmt.fraction_bits + 1)
        super().__init__(
            {
                "sums": In(data.ArrayLayout(self.bits, finished.outputs * finished.inputs)),
                "finished": In(1),
                "last": In(1),
                "o": Out(data.ArrayLayout(shape_of(o), finished.lanes)),
                "give": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        order = self.order

        # Two results' partial sums have room: the next ones come while those of one result are still added.
        slot, half = Signal(range(order.steps), init=order.first_turn * order.groups), Signal()
        with m.If(self.finished):
            m.d.sync += slot.eq(_after(slot, order.steps))
        with m.If(self.last):
            m.d.sync += half.eq(~half)

        # Partial sum after partial sum; of each, those of all outputs.
        running, reading = Signal(), Signal()
        place, shared, group = Signal(range(order.places)), Signal(range(order.shared)), Signal(range(order.groups))
        input_at, turn = Signal(range(order.inputs)), Signal(range(order.steps))
        last_place, last_input = place == order.places - 1, input_at == order.inputs - 1
        with m.If(running):
            m.d.sync += [place.eq(place + 1), shared.eq(_after(shared, order.shared))]
            with m.If(shared == order.shared - 1):
                m.d.sync += group.eq(group + 1)
            with m.If(last_place):
                m.d.sync += [place.eq(0), shared.eq(0), group.eq(0), input_at.eq(_after(input_at, order.inputs))]
                with m.If(last_input):
                    m.d.sync += turn.eq(Mux(turn == order.steps - order.groups, 0, turn + order.groups))
        begun, ends = Signal(), Signal()  # the first partial sums, the last ones
        m.d.comb += [
            begun.eq((turn == 0) & (input_at == 0)),
            ends.eq((turn == order.steps - order.groups) & last_input),
        ]
        with m.If(self.last):
            m.d.sync += [running.eq(1), reading.eq(half)]
        with m.Elif(ends & last_place):
            m.d.sync += running.eq(0)

        wanted = running & (place < order.words)
        first, final = Signal(READ + 1), Signal(READ + Accumulate.latency + 1)
        m.d.comb += [first[0].eq(wanted & begun), final[0].eq(wanted & ends), self.give.eq(final[-1])]
        m.d.sync += [first[1:].eq(first), final[1:].eq(final)]
        m.submodules.bias = bias = Deal(_rows(self.bias, order.lanes), self.bits)
        m.d.comb += bias.step.eq(first[READ - bias.latency])

        chosen = later(m, shared * order.inputs + input_at, 1, "chosen")
        for lane in range(order.lanes):
            mine = [
                self.sums[(at * order.lanes + lane) * order.inputs + n]
                for at in range(order.shared)
                for n in range(order.inputs)
            ]
            depth = 2 << (order.steps - 1).bit_length()
            m.submodules[f"kept{lane}"] = kept = memory.Memory(shape=len(Cat(*mine)), depth=depth, init=[])
            write, read = kept.write_port(), kept.read_port()
            m.submodules[f"accumulate{lane}"] = total = Accumulate(self.fmt, order.places)
            x = Signal(self.bits, name=f"x{lane}", reset_less=True)
            m.d.sync += x.eq(read.data.word_select(chosen, self.bits.width))
            m.d.comb += [
                write.addr.eq(Cat(slot, half)), write.data.eq(Cat(*mine)), write.en.eq(self.finished),
                read.addr.eq(Cat((turn + group)[: len(slot)], reading)),
                Value.cast(total.x).eq(x), Value.cast(total.start).eq(bias.row[lane]), total.first.eq(first[READ]),
                self.o[lane].eq(code_of_bits(total.s, self.o_fmt)),
            ]  # fmt: skip
        return m


def _after(count: Signal, limit: int) -> Value:
    """The next of a count from 0 to below `limit`."""
    return Mux(count == limit - 1, 0, count + 1)


def _rows(values: Sequence[int], lanes: int) -> list[list[int]]:
    return [list(values[at : at + lanes]) for at in range(0, len(values), lanes)]


def resources(order: Finished, fmt: FloatFormat, device: Device) -> Resources:
    """What it takes of a chip, estimated."""
    width = fmt.exponent_bits + fmt.fraction_bits + 1
    values = order.shared * order.inputs
    lane = accumulate.resources(fmt, order.places, device) + Resources(luts=width * (1 + values // 2), ffs=width)
    depth = 2 << (order.steps - 1).bit_length()
    if device.family == "ice40":
        lane += Resources(brams=device.brams(depth, values * width))
    else:
        lane += Resources(luts=2 * values * width * -(-depth // 16), ffs=values * width)
    constants = deal.resources(order.words, order.lanes * width, device)
    return Resources(luts=80, ffs=60) + constants + lane * order.lanes
