import re
from fractions import Fraction

import pytest
from amaranth import ClockDomain, Module, Signal
from amaranth.lib import io
from amaranth_boards.icebreaker import ICEBreakerPlatform
from amaranth_boards.ulx3s import ULX3S_12F_Platform

from dnn2fpga.errors import Refusal
from dnn2fpga.flow import toolchain
from dnn2fpga.hw.primitives import ecp5_pll, ice40_pll
from dnn2fpga.hw.primitives.pll import SystemClock


@pytest.mark.parametrize(
    ("family", "board", "wanted", "exact"),
    [
        ("ecp5", 25, 100, 100),
        ("ecp5", 25, 80, 80),
        ("ecp5", 12, 100, 100),
        ("ecp5", 25, "66.6", "65.625"),
        ("ice40", 12, 24, 24),
        ("ice40", 12, 30, 30),
        ("ice40", 12, "39.99", "39.75"),
        ("ice40", 100, 48, Fraction(575, 12)),
    ],
)
def test_makes_the_highest_frequency_that_is_not_above_the_wanted(family, board, wanted, exact):
    clock = SystemClock(family, Fraction(board), Fraction(wanted))
    assert clock.mhz == Fraction(exact)


@pytest.mark.parametrize(("on_pad", "wire"), [(False, 12), (True, 30)])
def test_the_wire_has_the_boards_clock_unless_the_pll_takes_its_pin(on_pad, wire):
    clock = SystemClock("ice40", Fraction(12), Fraction(30), on_pll_pad=on_pad)
    assert clock.wire_mhz == wire


def test_settings_are_within_the_limits_of_the_devices():
    for setting in ecp5_pll.settings(Fraction(25)):
        assert 400 <= 25 * setting.clkfb_div / setting.clki_div * setting.clkop_div <= 800
        assert 25 / setting.clki_div >= 3.125
    for setting in ice40_pll.settings(Fraction(12)):
        assert 533 <= 12 / (setting.divr + 1) * (setting.divf + 1) <= 1066
        assert 12 / (setting.divr + 1) >= 10


def test_refuses_what_the_pll_cannot_make():
    with pytest.raises(Refusal, match="cannot make 5 MHz of 25 MHz: none is as low"):
        SystemClock("ecp5", Fraction(25), Fraction(5))
    with pytest.raises(Refusal, match="cannot make 500 MHz of 25 MHz: the nearest below is 400"):
        SystemClock("ecp5", Fraction(25), Fraction(500))


class Blinky(SystemClock):
    """The clock, and a register that it drives to a pin."""

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = ClockDomain()
        m.domains.wire = ClockDomain()
        m.submodules.clock = super().elaborate(platform)
        m.submodules.led = led = io.Buffer("o", platform.request("led", 0, dir="-"))
        count = Signal(20)
        m.d.sync += count.eq(count + 1)
        m.d.comb += led.o.eq(count[-1])
        return m


@pytest.mark.slow
@pytest.mark.parametrize(
    ("platform", "family", "board", "wanted", "on_pad", "synth", "route"),
    [
        (
            ULX3S_12F_Platform,
            *("ecp5", 25, 80, False, "synth_ecp5"),
            "nextpnr-ecp5 --12k --package CABGA381 --speed 6 --lpf top.lpf --textcfg top.config",
        ),
        (
            ICEBreakerPlatform,
            *("ice40", 12, 30, True, "synth_ice40"),
            "nextpnr-ice40 --up5k --package sg48 --pcf top.pcf --asc top.asc",
        ),
    ],
)
def test_the_router_finds_the_same_frequency(platform, family, board, wanted, on_pad, synth, route, tmp_path):
    # The router derives the constraint of the PLL's output by its own model of the PLL.
    clock = Blinky(family, Fraction(board), Fraction(wanted), on_pll_pad=on_pad)
    platform().prepare(clock, "top").extract(tmp_path)
    toolchain.run_yosys(f"read_rtlil top.il; {synth} -top top; write_json top.json", tmp_path)
    tool, *arguments = route.split()
    command = [*toolchain.find(tool), *arguments, "--json", "top.json"]
    log = toolchain.run(command, tmp_path, tool)
    derived = re.findall(r"Derived frequency constraint of ([\d.]+) MHz", log)
    assert derived, log
    assert float(derived[0]) == pytest.approx(float(clock.mhz), abs=0.01)
