"""Bytes over a pair of wires: asynchronous serial, 8 data bits, no parity, 1 stop bit."""

from amaranth import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from ..errors import Refusal

SLOWEST_SAMPLING = 4  # clocks a bit: fewer leave no room to hit the middle of a bit
TOLERANCE = 0.015  # of the baud rate: both ends together may be 4 % apart over the 10 bits of a byte


def divisor_for(clock_hz: float, baud: int) -> int:
    """Clocks a bit. Raises `Refusal` if the clock cannot make the baud rate within 1.5 %."""
    divisor = round(clock_hz / baud)
    if divisor < SLOWEST_SAMPLING:
        raise Refusal(f"{baud} baud needs a clock of at least {SLOWEST_SAMPLING * baud / 1e6:g} MHz")
    made = clock_hz / divisor
    if abs(made / baud - 1) > TOLERANCE:
        raise Refusal(f"a clock of {clock_hz / 1e6:g} MHz cannot make {baud} baud: the nearest is {made:.0f}")
    return divisor


def _check_divisor(divisor: int) -> None:
    if not isinstance(divisor, int) or divisor < SLOWEST_SAMPLING:
        raise ValueError(f"divisor must be an integer of at least {SLOWEST_SAMPLING}, not {divisor!r}")


class UartRx(wiring.Component):
    """Receives bytes. The wire cannot be stopped, so the stream's reader must always be ready.

    Parameter: `divisor`, clocks a bit, at least 4. Each bit is judged once, in its middle. A byte is
    offered for one clock, in the middle of its stop bit; one whose stop bit is missing is dropped, with the
    line's next idle level awaited. Raises `ValueError` for a bad divisor.
    """

    def __init__(self, divisor: int) -> None:
        _check_divisor(divisor)
        self.divisor = divisor
        super().__init__({"rx": In(1, init=1), "o": Out(stream.Signature(8, always_ready=True))})

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        rx = Signal(init=1)
        # Three stages, not two: the pin may be far.
        m.submodules.synchronizer = FFSynchronizer(self.rx, rx, init=1, stages=3)

        timer = Signal(range(self.divisor))
        bits_left = Signal(range(9))
        shift = Signal(8)
        m.d.comb += self.o.payload.eq(shift)
        m.d.sync += timer.eq(timer - 1)
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [timer.eq(self.divisor // 2 - 1), bits_left.eq(8)]
                with m.If(~rx):
                    m.next = "START"
            with m.State("START"), m.If(timer == 0):
                m.d.sync += timer.eq(self.divisor - 1)
                with m.If(rx):  # a spike, no start bit
                    m.next = "IDLE"
                with m.Else():
                    m.next = "DATA"
            with m.State("DATA"), m.If(timer == 0):
                m.d.sync += [
                    timer.eq(self.divisor - 1),
                    shift.eq(Cat(shift[1:], rx)),
                    bits_left.eq(bits_left - 1),
                ]
                with m.If(bits_left == 1):
                    m.next = "STOP"
            with m.State("STOP"), m.If(timer == 0):
                m.d.comb += self.o.valid.eq(rx)
                # Leaving in the middle of the stop bit lets a faster sender begin its next byte early.
                with m.If(rx):
                    m.next = "IDLE"
                with m.Else():
                    m.next = "BREAK"
            with m.State("BREAK"), m.If(rx):
                m.next = "IDLE"
        return m


class UartTx(wiring.Component):
    """Sends bytes, one every `10 * divisor` clocks at most.

    Parameter: `divisor`, clocks a bit, at least 4. Raises `ValueError` for a bad one.
    """

    def __init__(self, divisor: int) -> None:
        _check_divisor(divisor)
        self.divisor = divisor
        super().__init__({"i": In(stream.Signature(8)), "tx": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        timer = Signal(range(self.divisor))
        bits_left = Signal(range(11))
        shift = Signal(10, init=-1)  # idle is 1; driven from a register, so the pin has no glitches
        m.d.comb += [self.tx.eq(shift[0]), self.i.ready.eq(bits_left == 0)]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [
                shift.eq(Cat(0, self.i.payload, 1)),
                bits_left.eq(10),
                timer.eq(self.divisor - 1),
            ]
        with m.Elif(timer == 0):
            m.d.sync += [shift.eq(Cat(shift[1:], 1)), timer.eq(self.divisor - 1)]
            with m.If(bits_left != 0):
                m.d.sync += bits_left.eq(bits_left - 1)
        with m.Else():
            m.d.sync += timer.eq(timer - 1)
        return m
