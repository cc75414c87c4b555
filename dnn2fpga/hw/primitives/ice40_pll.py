"""iCE40's PLL, `SB_PLL40`: the same search and settings as Project IceStorm's `icepll`."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from amaranth import Const, Instance, Signal, Value
from amaranth.hdl import IOValue

# MHz, from Lattice's usage guide (FPGA-TN-02052).
PFD = (10, 133)
VCO = (533, 1066)
OUTPUT = (16, 275)
FILTER_LIMITS = (17, 26, 44, 66, 101)  # MHz of the phase detector at which the loop filter's range steps up


@dataclass(frozen=True)
class Setting:
    """Dividers that make `mhz` of `input_mhz`, with the oscillator fed back ("simple" mode)."""

    input_mhz: Fraction
    divr: int
    divf: int
    divq: int

    @property
    def pfd(self) -> Fraction:
        """The phase detector, MHz."""
        return self.input_mhz / (self.divr + 1)

    @property
    def vco(self) -> Fraction:
        """The oscillator, MHz."""
        return self.pfd * (self.divf + 1)

    @property
    def mhz(self) -> Fraction:
        """The output."""
        return self.vco / 2**self.divq

    def instance(self, source: Value | IOValue, clock: Signal, locked: Signal, *, on_pad: bool = False) -> Instance:
        """The PLL, fed by `source`: its own pad, or anything else."""
        return Instance(
            "SB_PLL40_PAD" if on_pad else "SB_PLL40_CORE",
            ("i", "PACKAGEPIN" if on_pad else "REFERENCECLK", source),
            p_FEEDBACK_PATH="SIMPLE",
            p_PLLOUT_SELECT="GENCLK",
            p_DIVR=Const(self.divr, 4),
            p_DIVF=Const(self.divf, 7),
            p_DIVQ=Const(self.divq, 3),
            p_FILTER_RANGE=Const(1 + sum(self.pfd >= limit for limit in FILTER_LIMITS), 3),
            i_RESETB=Const(1),
            i_BYPASS=Const(0),
            o_PLLOUTGLOBAL=clock,
            o_LOCK=locked,
        )


def settings(input_mhz: Fraction) -> Iterator[Setting]:
    """Every valid setting, those with the fastest phase detector first."""
    for divr in range(16):
        for divf in range(128):
            for divq in range(1, 7):
                s = Setting(input_mhz, divr, divf, divq)
                if PFD[0] <= s.pfd <= PFD[1] and VCO[0] <= s.vco <= VCO[1] and OUTPUT[0] <= s.mhz <= OUTPUT[1]:
                    yield s
