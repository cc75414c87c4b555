"""Sums to integers: the hardware equals `quant.fixed.requantize`, whichever way it takes."""

import numpy as np
import pytest
from amaranth import Module, Signal, signed, unsigned
from amaranth.sim import Simulator

from dnn2fpga.hw.fixed import maximum, minimum
from dnn2fpga.hw.requantize import Multiplied, Requantize, Rescale, Shifted, clamp_between
from dnn2fpga.quant.fixed import Format, requantize

from .clocked import run

CHANNELS, WORDS = 6, 18
MULTIPLIERS = {
    "any": ([40001, 65535, 3, 1, 20000, 7], Multiplied, 4),
    "none": ([0] * 6, Multiplied, 4),
    "the same": ([40001] * 6, Multiplied, 4),
    "powers of two": ([1024, 256, 16, 128, 16, 512], Shifted, 1),
    "two powers of two": ([1024, 512, 512, 512, 1024, 1024], Shifted, 1),
    "one power of two": ([1024] * 6, Shifted, 0),
    "one": ([1] * 6, Shifted, 0),
    "common factor": ([48, 16, 80, 96, 112, 144], Multiplied, 4),
}
SHIFTS = {"none": 0, "one": 1, "some": 9, "more than a sum has": 24}
TOTAL, INT8 = signed(12), signed(8)


def rescale_of(name, shift, total=TOTAL, o=INT8):
    rng = np.random.default_rng(0)
    offset = rng.integers(-100, 100, CHANNELS) << shift
    return Rescale(offset + rng.integers(0, 1 << 5, CHANNELS), np.array(MULTIPLIERS[name][0]), shift, total, o)


def check(rescale, lanes, words=WORDS):
    """Words of sums through the hardware, each announced as early as it asks for."""
    component, channels = Requantize(rescale, lanes), len(rescale.offset)
    rng = np.random.default_rng(1)
    low, high = minimum(rescale.total), maximum(rescale.total)
    sums = rng.integers(low, high + 1, (words, channels // lanes, lanes))
    sums[0], sums[1], sums[2] = low, high, 0
    # With pauses: constants must not be dealt for a word that does not come.
    offered = [word for row in sums.reshape(-1, lanes).tolist() for word in ([row, None] if row[0] % 3 == 0 else [row])]
    padded = [None] * component.lead + offered
    inputs = [
        {"announce": int(at < len(offered) and offered[at] is not None), "sums": padded[at] or [0] * lanes}
        for at in range(len(padded))
    ]
    shown = run(component, inputs, component.o, rescale.latency)
    found = [[row[lane] for lane in range(lanes)] for row, word in zip(shown, padded, strict=True) if word is not None]
    fmt = Format(rescale.o.width, rescale.o.signed, 1.0, -0.5 if rescale.o == signed(1) else 0.0)
    totals = sums.reshape(words, channels)
    expected = requantize(totals, rescale.multiplier, rescale.offset, rescale.shift, fmt)
    assert np.array(found).reshape(words, channels).tolist() == expected.tolist()


@pytest.mark.parametrize("lanes", [1, 3, 6])
@pytest.mark.parametrize("shift", SHIFTS.values(), ids=SHIFTS)
@pytest.mark.parametrize("name", MULTIPLIERS)
def test_equals_the_reference(name, shift, lanes):
    check(rescale_of(name, shift), lanes)


@pytest.mark.parametrize("o", [signed(1), unsigned(1), unsigned(8), signed(16)], ids=str)
@pytest.mark.parametrize("total", [unsigned(4), signed(12)], ids=str)
@pytest.mark.parametrize("name", MULTIPLIERS)
def test_equals_the_reference_for_other_shapes(name, total, o):
    check(rescale_of(name, 9, total, o), 2)


@pytest.mark.parametrize("name", MULTIPLIERS)
def test_multipliers_only_where_they_must_be(name):
    _, kind, latency = MULTIPLIERS[name]
    rescale = rescale_of(name, 12)
    assert type(rescale.scaled) is kind
    assert rescale.latency == latency + 3


def test_a_multiplier_is_no_wider_than_the_greatest_factor():
    assert rescale_of("common factor", 12).scaled.factor.width == 4  # 144 is 9 times 16


def test_one_bit_out_takes_no_multiplier():
    assert rescale_of("any", 12, o=signed(1)).scaled.multipliers == 0


@pytest.mark.parametrize("multiplier", [[1], [1, 2], [3, 5]], ids=["adder", "shift", "multiplier"])
def test_constants_in_block_ram_are_there_in_time(multiplier):
    """Those of many channels are: they come a cycle later."""
    offset = np.random.default_rng(3).integers(-(1 << 30), 1 << 30, 80)
    check(Rescale(offset, np.resize(multiplier, 80), 24, signed(31), INT8), 1, words=4)


def test_lanes_must_divide_the_channels():
    with pytest.raises(ValueError, match="lanes must divide 6 channels"):
        Requantize(rescale_of("one", 0), 4)


@pytest.mark.parametrize("shape", [signed(4), unsigned(3), signed(1), unsigned(1)], ids=str)
def test_clamps_between_any_bounds(shape):
    """Bounds beyond what the shape holds too, and powers of two, which take no comparison, on both sides of 0."""
    bounds = [(low, high) for low in range(-10, 10) for high in range(low, 10)]
    m, value = Module(), Signal(shape)
    clamped = [Signal(signed(5), name=f"clamped{at}") for at in range(len(bounds))]
    m.d.comb += [signal.eq(clamp_between(value, *pair)) for signal, pair in zip(clamped, bounds, strict=True)]

    async def testbench(ctx):
        for x in range(minimum(shape), maximum(shape) + 1):
            ctx.set(value, x)
            assert [ctx.get(signal) for signal in clamped] == [min(max(x, low), high) for low, high in bounds]

    simulator = Simulator(m)
    simulator.add_testbench(testbench)
    simulator.run()
