"""Constants dealt out in turn: the weights, biases and multipliers that a folded layer needs, step by step."""

from collections.abc import Sequence

import numpy as np
from amaranth import Array, Cat, Module, Shape, Signal, Value
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from .fixed import maximum, minimum
from .resources import Device, Resources, choice_luts

MEMORY_WIDTH = 36
"""Bits of one memory: no block RAM of any family is wider."""
BLOCK_BITS = 2048
"""From this many bits on constants go to block RAM; fewer are made of LUTs, of which each holds 16 bits.

Many LUTs would fit as well, but all share the same few address wires, which then reach over half the chip: a
convolution's weights in LUTs were on the longest path, at 82 MHz, of a design on an LFE5U-85F.
"""

BANK_BITS = 12
BANK = 1 << BANK_BITS
"""Most rows of one memory. A longer one consists of banks, with a register behind each and another behind the choice:
17,280 rows of 34 bits were 34 block RAMs deep, and at 60 MHz the longest path of a network in float32.
"""


class Deal(wiring.Component):
    """Rows of constants, dealt out one a step, for ever round.

    `rows[r]` lists the `n` integers of `shape` of row `r`. In each cycle in which `step` is high the next row is
    dealt; it stands in `row` `latency` cycles later. A block RAM gets two more registers behind it: one that may be its
    own (`flow.output_registers`), since it is slow, and one half the way to a multiplier, which may be far; several
    banks of them are chosen from between the two.
    """

    def __init__(self, rows: Sequence[Sequence[int]], shape: Shape) -> None:
        self.rows = np.asarray(rows, np.int64)
        outside = self.rows[(self.rows < minimum(shape)) | (self.rows > maximum(shape))]
        if outside.size:
            raise ValueError(f"rows must hold integers of {shape!r}, not {outside[0]}")
        self.shape = shape
        self.latency = latency(len(rows), len(rows[0]) * shape.width)
        super().__init__({"step": In(1), "row": Out(data.ArrayLayout(shape, len(rows[0])))})

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        if len(self.rows) == 1:
            m.d.comb += [lane.eq(value) for lane, value in zip(self.row, self.rows[0].tolist(), strict=True)]
            return m
        at = Signal(range(len(self.rows)))
        with m.If(self.step):
            m.d.sync += at.eq(at + 1)
            with m.If(at == len(self.rows) - 1):
                m.d.sync += at.eq(0)
        # Some lanes a memory, as many as fit a block RAM's width: one as wide as the row is slow to simulate.
        together = max(1, MEMORY_WIDTH // self.shape.width)
        parts = [
            self._part(m, at, slice(low, low + together), f"rom{low}")
            for low in range(0, self.row.shape().length, together)
        ]
        m.d.comb += self.row.as_value().eq(Cat(*parts))
        return m

    def _part(self, m: Module, at: Signal, lanes: slice, name: str) -> Value:
        """Some lanes of row number `at`, `latency` cycles later."""
        banks = []
        for bank, first in enumerate(range(0, len(self.rows), BANK)):
            rows = _packed(self.rows[first : first + BANK, lanes], self.shape.width)
            m.submodules[f"{name}_{bank}"] = rom = memory.Memory(
                shape=self.shape.width * self.rows[0, lanes].size,
                depth=len(rows),
                init=rows,
                attrs={"rom_style": "logic" if self.latency == 1 else "block"},
            )
            port = rom.read_port()
            # The last bank may lack rows that the others have.
            m.d.comb += [port.addr.eq(at[:BANK_BITS]), port.en.eq(at[BANK_BITS:] == bank)]
            banks.append(port.data)
        if self.latency == 1:
            return banks[0]
        banks = [_registered(m, bank, f"{name}_bank{index}") for index, bank in enumerate(banks)]
        if len(banks) == 1:
            return _registered(m, banks[0], f"{name}_row")
        chosen = _registered(m, _registered(m, at[BANK_BITS:], f"{name}_next"), f"{name}_chosen")
        return _registered(m, Array(banks)[chosen], f"{name}_row")


def _packed(rows: np.ndarray, width: int) -> list[int]:
    """The lanes of each row in one integer, the first one lowest. More than one have 63 bits together at most."""
    masked = rows & ((1 << width) - 1) if width < 64 else rows
    return (masked << width * np.arange(rows.shape[1])).sum(1).tolist()


def _registered(m: Module, value: Value, name: str) -> Signal:
    """A value one cycle later."""
    later = Signal(len(value), name=name, reset_less=True)
    m.d.sync += later.eq(value)
    return later


def rows_of(values: np.ndarray, lanes: int) -> list[list[int]]:
    """`values`, one a channel, as rows of `lanes`, dealt in turn: a single row if all would be the same."""
    rows = values.reshape(-1, lanes)
    return (rows[:1] if (rows == rows[0]).all() else rows).tolist()


def in_block(depth: int, width: int) -> bool:
    """Whether that many rows of `width` bits go to block RAM. A single row needs no memory."""
    return depth > 1 and depth * width >= BLOCK_BITS


def latency(depth: int, width: int) -> int:
    """Cycles from a step to its row."""
    return 3 if in_block(depth, width) else 1


def resources(depth: int, width: int, device: Device) -> Resources:
    """What `depth` rows of `width` bits take."""
    counter = Resources(luts=2 * depth.bit_length(), ffs=depth.bit_length())
    if depth == 1:
        return Resources()
    if depth > BANK:
        banks, rest = divmod(depth, BANK)
        brams = device.brams(BANK, width) * banks + (device.brams(rest, width) if rest else 0)
        return counter + Resources(luts=width * banks, ffs=width * (banks + 2), brams=brams)
    if in_block(depth, width):
        own = device.family == "ecp5"  # the block RAM's own register
        luts = choice_luts(device.family, depth, width)
        return counter + Resources(luts=luts, ffs=width * (2 - own), brams=device.brams(depth, width))
    # Sixteen rows a LUT, and one more to choose for each LUT but the first.
    return counter + Resources(luts=width * (2 * -(-depth // 16) - 1), ffs=width)
