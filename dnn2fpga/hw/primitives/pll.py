"""The clock of a design: the board's own, or another made of it by the device's PLL."""

from fractions import Fraction

from amaranth import ClockDomain, ClockSignal, Elaboratable, Module, ResetSignal, Signal
from amaranth.build import Platform
from amaranth.lib import io
from amaranth.lib.cdc import ResetSynchronizer

from ...errors import Refusal
from . import ecp5_pll, ice40_pll
from .family import family_of

MHZ = 1_000_000
SETTLING_S = 15e-6  # iCE40 block RAM reads zeros for some 3 µs after configuration: five times that

_FAMILIES = {"ecp5": ecp5_pll, "ice40": ice40_pll}


class SystemClock(Elaboratable):
    """Drives the domains `sync` and `wire`, which the parent defines, from a board's default clock, in reset until the
    PLL has locked. `sync` has the PLL's clock; `wire` the board's own, or the same where a PLL leaves no other.

    Parameters: `family`, `"ecp5"` or `"ice40"`; `board_mhz`, the board's clock; `wanted_mhz`, of which the
    PLL makes the nearest it can without exceeding it; `on_pll_pad`, for iCE40 whether the board's clock
    enters by the pin that belongs to the PLL (nothing else can use the PLL then).

    `mhz` and `wire_mhz` are the exact frequencies. Raises `Refusal` if the PLL cannot come within 10 % of what is
    wanted.
    """

    def __init__(self, family: str, board_mhz: Fraction, wanted_mhz: Fraction, *, on_pll_pad: bool = False) -> None:
        self.family = family
        self.on_pll_pad = on_pll_pad
        # Of two settings with the same frequency the first is kept: the families give the better one first.
        best = max(
            (setting for setting in _FAMILIES[family].settings(board_mhz) if setting.mhz <= wanted_mhz),
            key=lambda setting: setting.mhz,
            default=None,
        )
        if best is None or best.mhz < wanted_mhz * Fraction(9, 10):
            nearest = f"the nearest below is {float(best.mhz):g}" if best else "none is as low"
            raise Refusal(f"the PLL cannot make {float(wanted_mhz):g} MHz of {float(board_mhz):g} MHz: {nearest}")
        self.setting = best
        self.mhz = best.mhz
        self.wire_mhz = best.mhz if on_pll_pad else board_mhz

    def elaborate(self, platform: Platform) -> Module:
        """The logic."""
        if family_of(platform) != self.family:
            raise ValueError(f"platform must be of family {self.family}, not {platform!r}")
        m = Module()
        clock, locked = Signal(), Signal()
        pin = platform.request(platform.default_clk, dir="-")
        if self.on_pll_pad:
            m.submodules.pll = self.setting.instance(pin.io, clock, locked, on_pad=True)
            m.d.comb += ClockSignal("wire").eq(clock)
        else:
            m.submodules.pin = buffer = io.Buffer("i", pin)
            m.submodules.pll = self.setting.instance(buffer.i, clock, locked)
            m.d.comb += ClockSignal("wire").eq(buffer.i)

        m.domains.locked = ClockDomain(local=True)
        m.domains.settled = ClockDomain(local=True)
        settling = round(SETTLING_S * float(self.mhz) * MHZ)
        timer = Signal(range(settling + 1))
        m.d.comb += [ClockSignal(domain).eq(clock) for domain in ("locked", "settled", "sync")]
        m.submodules += ResetSynchronizer(~locked, domain="locked")
        with m.If(timer != settling):
            m.d.locked += timer.eq(timer + 1)
        settled = Signal()  # a register, for a reset must not come of logic that may be far
        m.d.locked += settled.eq(timer == settling)
        m.submodules += ResetSynchronizer(~settled, domain="settled")
        # A reset is read all over the chip: copies of the last register (`flow.copies`) stand where it is read, and the
        # other one half the way to them.
        halfway, late = Signal(init=1), Signal(init=1, reset_less=True)
        m.d.settled += [halfway.eq(0), late.eq(halfway)]
        m.d.comb += ResetSignal("sync").eq(late)
        m.submodules += ResetSynchronizer(late, domain="wire")
        return m
