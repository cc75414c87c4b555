"""ECP5's PLL, `EHXPLLL`: the same search and settings as Project Trellis's `ecppll`."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from amaranth import Const, Instance, Signal, Value

# MHz, from Lattice's data sheet (FPGA-DS-02012).
PFD = (Fraction("3.125"), 400)
VCO = (400, 800)
OUTPUT = (10, 400)
MIDDLE_OF_VCO = 600


@dataclass(frozen=True)
class Setting:
    """Dividers that make `mhz` of `input_mhz`, with CLKOP fed back."""

    input_mhz: Fraction
    clki_div: int
    clkfb_div: int
    clkop_div: int

    @property
    def mhz(self) -> Fraction:
        """The output."""
        return self.input_mhz * self.clkfb_div / self.clki_div

    @property
    def vco(self) -> Fraction:
        """The oscillator, MHz."""
        return self.mhz * self.clkop_div

    def instance(self, source: Value, clock: Signal, locked: Signal) -> Instance:
        """The PLL, fed by `source`."""
        return Instance(
            "EHXPLLL",
            # Loop filter, as Lattice's tools set it for every one of these ratios.
            a_ICP_CURRENT="12",
            a_LPF_RESISTOR="8",
            a_MFG_ENABLE_FILTEROPAMP="1",
            a_MFG_GMCREF_SEL="2",
            p_PLLRST_ENA="DISABLED",
            p_INTFB_WAKE="DISABLED",
            p_STDBY_ENABLE="DISABLED",
            p_DPHASE_SOURCE="DISABLED",
            p_OUTDIVIDER_MUXA="DIVA",
            p_OUTDIVIDER_MUXB="DIVB",
            p_OUTDIVIDER_MUXC="DIVC",
            p_OUTDIVIDER_MUXD="DIVD",
            p_FEEDBK_PATH="CLKOP",
            p_CLKI_DIV=self.clki_div,
            p_CLKFB_DIV=self.clkfb_div,
            p_CLKOP_ENABLE="ENABLED",
            p_CLKOP_DIV=self.clkop_div,
            p_CLKOP_CPHASE=self.clkop_div // 2,
            p_CLKOP_FPHASE=0,
            i_CLKI=source,
            i_CLKFB=clock,
            i_RST=Const(0),
            i_STDBY=Const(0),
            i_PHASESEL0=Const(0),
            i_PHASESEL1=Const(0),
            i_PHASEDIR=Const(1),
            i_PHASESTEP=Const(1),
            i_PHASELOADREG=Const(1),
            i_PLLWAKESYNC=Const(0),
            i_ENCLKOP=Const(0),
            o_CLKOP=clock,
            o_LOCK=locked,
        )


def settings(input_mhz: Fraction) -> Iterator[Setting]:
    """Every valid setting once for each output, with the oscillator nearest the middle of its range."""
    for clki_div in range(1, 129):
        if not PFD[0] <= input_mhz / clki_div <= PFD[1]:
            continue
        for clkfb_div in range(1, 81):
            each = (Setting(input_mhz, clki_div, clkfb_div, clkop_div) for clkop_div in range(1, 129))
            valid = [s for s in each if VCO[0] <= s.vco <= VCO[1] and OUTPUT[0] <= s.mhz <= OUTPUT[1]]
            if valid:
                yield min(valid, key=lambda s: abs(s.vco - MIDDLE_OF_VCO))
