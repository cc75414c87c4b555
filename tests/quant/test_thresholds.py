"""Thresholds and bent lines against plain Python integers, which know no overflow."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Callable
from fractions import Fraction
from functools import partial

import numpy as np
import pytest

from dnn2fpga.quant.tflite.laws import multiply_quantized
from dnn2fpga.quant.thresholds import Rising, thresholds_of

Law = Callable[[int], int]


def away(x: Fraction) -> int:
    """To the nearest integer, ties away from 0."""
    nearest = (2 * abs(x.numerator) + x.denominator) // (2 * x.denominator)
    return nearest if x >= 0 else -nearest


def once(sum_: int, *, factor: Fraction, addend: int, zero: int) -> int:
    """Rounded once, as by FULLY_CONNECTED."""
    return away((sum_ + addend) * factor) + zero


def twice(sum_: int, *, multiplier: int, shift: int, addend: int, zero: int) -> int:
    """Rounded as by the other operators: half up to 2^shift, then away from 0."""
    x = (sum_ + addend) << max(shift, 0)
    half_up = (x * multiplier + (1 << 30)) >> 31
    return away(Fraction(half_up, 1 << max(-shift, 0))) + zero


def on_arrays(laws: list[Law]) -> Callable[[np.ndarray], np.ndarray]:
    """The laws of all channels on sums (channels, n)."""
    return lambda sums: np.array(
        [[law(sum_) for sum_ in row] for law, row in zip(laws, sums.tolist(), strict=True)], np.int64
    )


def line_of(laws, sums, steps, slope, zero):
    """The line of laws over `sums`, (least, greatest) a channel; and the thresholds that it comes from."""
    least, greatest = np.array(sums).T
    thresholds = thresholds_of(on_arrays(laws), least, greatest, np.array(steps))
    return Rising(least, greatest, np.array(steps), thresholds, np.array(slope), zero).line(), thresholds.tolist()


def along(line, channel: int, sum_: int) -> int:
    """What a line gives of a sum."""
    addend = line.addend if sum_ >= line.bend.tolist()[channel] else line.below
    return (sum_ * line.multiplier.tolist()[channel] + addend.tolist()[channel]) >> line.shift


def check(laws, sums, steps, slope, zero, among):
    """Thresholds, and the line at each of the sums that `among` names, thresholds and bend."""
    line, thresholds = line_of(laws, sums, steps, slope, zero)
    assert line is not None
    low, high = steps[0] - 1, steps[-1]
    for channel, (law, (least, greatest)) in enumerate(zip(laws, sums, strict=True)):
        every = range(least, greatest + 1)
        assert thresholds[channel] == [least + bisect_left(every, step, key=law) for step in steps]
        turns = [sum_ for at in (*thresholds[channel], line.bend.tolist()[channel]) for sum_ in (at - 1, at)]
        for sum_ in {least, greatest, *among(every), *(sum_ for sum_ in turns if sum_ in every)}:
            expected = max(low, min(high, law(sum_)))
            assert max(low, min(high, along(line, channel, sum_))) == expected, (channel, sum_)
    return line


RATIOS = [Fraction(1, 2), Fraction(1, 3), Fraction(2, 3), Fraction(3, 8), Fraction(5, 7), Fraction(1), Fraction(3, 2)]


@pytest.mark.parametrize("zero", [-9, -8, -3, 0, 7, 8], ids="zero {}".format)
@pytest.mark.parametrize("factor", RATIOS, ids=str)
def test_every_sum_of_a_small_range(factor, zero):
    laws = [partial(once, factor=factor, addend=addend, zero=zero) for addend in (-30, -1, 0, 7)]
    sums = [(-40, 40), (-12, 35), (0, 9), (-25, -25)]
    check(laws, sums, range(-7, 8), [float(factor)] * 4, zero, among=lambda every: every)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("law", ["once", "twice"])
def test_wide_sums(law, seed):
    """Between two thresholds both rise, so that it is enough to look at these; the sums drawn are for good measure."""
    rng = random.Random(seed)
    laws, sums, slope = [], [], []
    zero, exponent = rng.randint(-128, 127), rng.randint(6, 14)
    for _ in range(5):
        addend, multiplier = rng.randint(-(2**28), 2**28), rng.randint(2**30, 2**31 - 1)
        factor = Fraction(multiplier, 1 << 31 + exponent)
        if law == "once":
            laws.append(partial(once, factor=factor, addend=addend, zero=zero))
        else:
            laws.append(partial(twice, multiplier=multiplier, shift=-exponent, addend=addend, zero=zero))
        sums.append((-rng.randint(0, 2**31), rng.randint(0, 2**31)))
        slope.append(float(factor))
    steps = range(-127, 128)
    check(laws, sums, steps, slope, zero, among=lambda every: [rng.choice(every) for _ in range(500)])


@pytest.mark.parametrize("zero", [-4, 0, 3])
@pytest.mark.parametrize("factor", RATIOS[:5], ids=str)
def test_no_lesser_shift_does(factor, zero):
    """Which addends each sum leaves to a line of a lesser shift: none is left by all."""
    law = partial(once, factor=factor, addend=0, zero=zero)
    steps = range(-7, 8)
    line = check([law], [(-40, 40)], steps, [float(factor)], zero, among=lambda every: every)
    bend = line.bend.tolist()[0]
    for shift in range(line.shift):
        for multiplier in (int(factor * 2**shift), int(factor * 2**shift) + 1):
            above = left([(sum_, law(sum_)) for sum_ in range(bend, 41)], multiplier, shift, steps)
            below = left([(sum_, law(sum_)) for sum_ in range(-40, bend)], multiplier, shift, steps)
            assert not (above and below), (shift, multiplier)


def left(points, multiplier, shift, steps):
    """Whether there is an addend with which a line goes through all points, clamped."""
    inside = [(sum_ * multiplier, max(steps[0] - 1, min(steps[-1], result))) for sum_, result in points]
    low = max(((y << shift) - x for x, y in inside if y >= steps[0]), default=None)
    high = min((((y + 1) << shift) - 1 - x for x, y in inside if y < steps[-1]), default=None)
    return low is None or high is None or low <= high


def test_a_function_that_is_no_line_has_none():
    at = [0, 10, 11, 50, 51, 52]
    line, thresholds = line_of([lambda sum_: sum(sum_ >= t for t in at)], [(-5, 60)], range(1, 7), [0.1], 0)
    assert thresholds == [at]
    assert line is None


@pytest.mark.parametrize("seed", range(20))
def test_two_roundings_against_plain_integers(seed):
    """The law on int64 that thresholds are found by is that on Python's integers, ties and all."""
    rng = random.Random(seed)
    multiplier, shift = rng.choice([1 << 30, rng.randint(2**30, 2**31 - 1)]), rng.randint(-20, 3)
    reach = 2 ** (31 - max(shift, 0)) - 1
    sums = [rng.randint(-reach, reach) for _ in range(500)] + [*range(-500, 501)]
    expected = [twice(sum_, multiplier=multiplier, shift=shift, addend=0, zero=0) for sum_ in sums]
    assert multiply_quantized(np.array(sums), multiplier, shift).tolist() == expected
