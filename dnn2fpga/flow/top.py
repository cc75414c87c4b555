"""The whole chip: clock, link and pipeline."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from amaranth import ClockDomain, ClockSignal, Elaboratable, Module, ResetSignal, Signal
from amaranth.lib import io

from ..hw.link import Link
from ..hw.primitives.pll import SystemClock
from ..hw.stream import connect
from ..hw.uart import divisor_for
from .board import Board


class Top(Elaboratable):
    """`pipeline` on `board`, reached over its UART; a LED blinks at about 1 Hz once the clocks run.

    Parameters: `values_in`, `values_out`, the values of an image and of its outputs; `design_hash`, the 4
    bytes that the host knows the design by. `clock_mhz` and `wire_mhz` are the exact clocks of the domains `sync`, the
    pipeline's, and `wire`, that of what has to do with pins. Raises `Refusal` if the board cannot make its clock or its
    baud rate.
    """

    def __init__(self, pipeline: Any, board: Board, *, values_in: int, values_out: int, design_hash: bytes) -> None:
        self.pipeline = pipeline
        self.board = board
        self.platform = board.platform()
        wanted = Fraction(board.clock_mhz)
        board_mhz = Fraction(self.platform.default_clk_frequency).limit_denominator() / 1_000_000
        self.clock = None
        self.clock_mhz = self.wire_mhz = board_mhz
        if wanted != board_mhz:
            self.clock = SystemClock(board.device.family, board_mhz, wanted, on_pll_pad=board.clock_on_pll_pad)
            self.clock_mhz, self.wire_mhz = self.clock.mhz, self.clock.wire_mhz
        self.link = Link(
            pipeline.i.payload.shape(),
            pipeline.o.payload.shape(),
            values_in=values_in,
            values_out=values_out,
            divisor=divisor_for(float(self.wire_mhz) * 1e6, board.baud),
            design_hash=design_hash,
        )

    def elaborate(self, platform: Any) -> Module:
        """The logic."""
        m = Module()
        m.domains.wire = ClockDomain()
        if self.clock is not None:
            m.domains.sync = ClockDomain()
            m.submodules.clock = self.clock
        else:
            # An ECP5's `sync` has no reset: the whole chip's is its own.
            reset = ResetSignal("sync", allow_reset_less=True)
            m.d.comb += [ClockSignal("wire").eq(ClockSignal("sync")), ResetSignal("wire").eq(reset)]
        m.submodules.link = link = self.link
        m.submodules.pipeline = self.pipeline
        connect(m, link.to_pipeline, self.pipeline.i)
        connect(m, self.pipeline.o, link.from_pipeline)

        wires = platform.request(self.board.uart, 0, dir="-")
        m.submodules.rx = rx = io.Buffer("i", wires.rx)
        m.submodules.tx = tx = io.Buffer("o", wires.tx)
        m.d.comb += [link.rx.eq(rx.i), tx.o.eq(link.tx)]

        if self.board.led is not None:
            m.submodules.led = led = io.Buffer("o", platform.request(self.board.led, 0, dir="-"))
            life = Signal(round(float(self.wire_mhz) * 1e6).bit_length())
            m.d.wire += life.eq(life + 1)
            m.d.comb += led.o.eq(life[-1])
        return m
