from __future__ import annotations

import tracemalloc
from itertools import product

import numpy as np
import pytest

from dnn2fpga.model.graph import Graph, Node
from dnn2fpga.quant.calibrate import CALIBRATIONS, analytic_clip, divergence, squared_error
from dnn2fpga.quant.fixed import Format
from dnn2fpga.quant.histogram import BATCH, BINS, Histogram, Range, observe
from dnn2fpga.quant.ops.dense import Dense

RNG = np.random.default_rng(5)
OUTLIER = 30.0
BODY = RNG.laplace(size=60_000)
DATA = {
    "signed": np.concatenate([BODY, [OUTLIER, -OUTLIER]]),
    "relu": np.maximum(np.concatenate([BODY, [OUTLIER]]), 0),
    "skewed": np.concatenate([RNG.exponential(size=60_000) - 0.5, [OUTLIER]]),
}
"""Values as layers have them, with an outlier that takes most of the range."""

HISTOGRAMS = {name: Histogram.of(x) for name, x in DATA.items()}
BITS = [2, 3, 4, 6]

each_data = pytest.mark.parametrize("data", list(DATA))
each_bits = pytest.mark.parametrize("bits", BITS)
either_symmetry = pytest.mark.parametrize("symmetric", [True, False], ids=["symmetric", "asymmetric"])
each_calibration = pytest.mark.parametrize("calibration", list(CALIBRATIONS))


def format_of(seen: Range, bits: int, symmetric: bool) -> Format:
    """The format that the quantizer makes of a range."""
    if symmetric or seen.low >= 0 or bits == 1:
        return Format.covering(seen.low, seen.high, bits)
    return Format.between(seen.low, seen.high, bits)


def chosen(calibration, data, bits, symmetric):
    return format_of(CALIBRATIONS[calibration](HISTOGRAMS[data], bits, symmetric), bits, symmetric)


def error(x, fmt):
    return np.mean((x - fmt.dequantize(fmt.quantize(x))) ** 2)


# Each beats min_max by what it minimizes.


@each_data
@each_bits
@either_symmetry
def test_mse_has_the_lesser_squared_error(data, bits, symmetric):
    x = DATA[data]
    found = error(x, chosen("mse", data, bits, symmetric))
    assert found < 0.7 * error(x, chosen("min_max", data, bits, symmetric))
    others = (Range(part * x.min(), part * x.max()) for part in np.linspace(0.02, 1, 50))
    assert found < 1.01 * min(error(x, format_of(other, bits, symmetric)) for other in others)


@each_data
@either_symmetry
def test_percentile_clips_what_it_promises(data, symmetric):
    x, h = DATA[data], HISTOGRAMS[data]
    found = CALIBRATIONS["percentile"](h, 8, symmetric)
    assert 0 < np.mean((x < found.low) | (x > found.high)) <= 1e-4
    bin_ = (x.max() - x.min()) / BINS
    if symmetric or x.min() >= 0:
        assert np.mean(np.abs(x) > found.high - bin_) > 1e-4
    else:
        assert np.mean(x > found.high - bin_) > 0.5e-4
        assert np.mean(x < found.low + bin_) > 0.5e-4
    assert chosen("percentile", data, 8, symmetric).scale < chosen("min_max", data, 8, symmetric).scale


@each_data
@each_bits
@either_symmetry
def test_entropy_loses_less_information(data, bits, symmetric):
    h = HISTOGRAMS[data]
    found = divergence(h, chosen("entropy", data, bits, symmetric))
    assert 0 <= found < 0.9 * divergence(h, chosen("min_max", data, bits, symmetric))
    ends = np.geomspace(0.02, 1, 12)
    others = (Range(a * h.seen.low, b * h.seen.high) for a, b in product(ends, repeat=2))
    assert found < 1.05 * min(divergence(h, format_of(other, bits, symmetric)) for other in others)


@each_data
@each_bits
@either_symmetry
def test_banner_has_the_lesser_squared_error(data, bits, symmetric):
    x = DATA[data]
    found = error(x, chosen("banner", data, bits, symmetric))
    assert found < error(x, chosen("min_max", data, bits, symmetric))


@pytest.mark.parametrize("steps", [0.5, 1, 2, 7, 8, 15, 127])
@pytest.mark.parametrize("power", [1, 2], ids=["laplace", "gauss"])
def test_analytic_clip_has_the_least_expected_error(power, steps):
    x = np.linspace(0, 30, 3_001)
    density = np.exp(-(x**power))
    density /= density.sum()

    def expected(threshold):
        """What the paper counts: the error beyond the threshold, and a twelfth of a step squared."""
        return density @ np.maximum(x - threshold, 0) ** 2 + (threshold / steps) ** 2 / 12

    found = expected(analytic_clip(density @ x, np.sqrt(density @ x**2), steps))
    assert found < 1.001 * min(expected(threshold) for threshold in np.linspace(0.1, 20, 200))


@pytest.mark.parametrize(("bits", "laplace", "gauss"), [(2, 2.83, 1.71), (3, 3.89, 2.15), (4, 5.03, 2.55)])
def test_analytic_clip_is_the_papers(bits, laplace, gauss):
    """Section 2: the thresholds in units of b and of sigma, for 2^bits steps in the range."""
    assert analytic_clip(1, np.sqrt(2), 2 ** (bits - 1)) == pytest.approx(laplace, abs=0.01)
    assert analytic_clip(np.sqrt(2 / np.pi), 1, 2 ** (bits - 1)) == pytest.approx(gauss, abs=0.01)


# The measures themselves.


@each_data
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@either_symmetry
def test_squared_error_is_that_of_the_values(data, bits, symmetric):
    x = DATA[data]
    for part in (0.1, 1):
        fmt = format_of(Range(part * x.min(), part * x.max()), bits, symmetric)
        assert squared_error(HISTOGRAMS[data], fmt) == pytest.approx(error(x, fmt), rel=0.03)


def test_divergence_by_hand():
    h = Histogram.of(np.concatenate([np.full(3, 1.0), np.full(1, 2.0), np.full(4, 9.0)]))
    all_apart = Format(4, False, 1.0)
    assert divergence(h, all_apart) == 0
    first_two_together = Format(2, False, 4.6)
    assert divergence(h, first_two_together) == pytest.approx((3 * np.log(3 / 2) + np.log(1 / 2)) / 8)
    last_clipped = Format(3, False, 1.0)
    assert divergence(h, last_clipped) == pytest.approx((5 * np.log(5) - 4) / 8)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_entropy_does_not_keep_a_peak_alone(bits):
    """An image's background makes one small value of most of a channel; Migacz's divergence clips all the rest."""
    x = np.concatenate([np.full(30_000, 0.02), RNG.exponential(0.2, 20_000)])
    found = CALIBRATIONS["entropy"](Histogram.of(x), bits, True)
    assert np.mean(x > found.high) < 0.1


# What holds for all.


@each_data
@each_calibration
@either_symmetry
@pytest.mark.parametrize("bits", [1, 8, 16])
def test_ranges(data, calibration, symmetric, bits):
    x = DATA[data]
    found = CALIBRATIONS[calibration](HISTOGRAMS[data], bits, symmetric)
    if x.min() >= 0:
        assert found.low == 0
        assert 0 < found.high <= x.max()
    elif symmetric:
        assert -found.low == found.high
        assert 0 < found.high <= np.abs(x).max()
    else:
        assert x.min() <= found.low < 0 < found.high <= x.max()


@each_calibration
@either_symmetry
def test_fewer_bits_clip_more(calibration, symmetric):
    reach = [CALIBRATIONS[calibration](HISTOGRAMS["signed"], bits, symmetric).high for bits in (2, 4, 8, 16)]
    assert reach == sorted(reach)


@each_calibration
@either_symmetry
@pytest.mark.parametrize("bits", [1, 2, 4, 16])
@pytest.mark.parametrize(
    ("x", "low", "high"),
    [([0.0], 0, 0), ([0.0] * 9, 0, 0), ([3.0], 0, 3), ([3.0] * 9, 0, 3), ([-3.0] * 9, -3, 0)],
    ids=["zero", "zeros", "one", "constant", "negative constant"],
)
def test_constants(calibration, symmetric, bits, x, low, high):
    found = CALIBRATIONS[calibration](Histogram.of(np.array(x)), bits, symmetric)
    if calibration == "banner" and any(x):
        # of one value it cannot know that there are no others
        assert low <= found.low <= found.high <= max(high, -low)
    else:
        assert found == Range(low, -low if symmetric and low < 0 else high)


@each_calibration
@either_symmetry
def test_all_negative(calibration, symmetric):
    found = CALIBRATIONS[calibration](Histogram.of(-1 - RNG.exponential(size=1000)), 8, symmetric)
    assert found.low < -1
    assert found.high == (-found.low if symmetric else 0)


def test_min_max_is_exact():
    x = RNG.normal(size=1000).astype(np.float32)
    h = Histogram.of(x)
    reach = float(np.abs(x).max())
    assert CALIBRATIONS["min_max"](h, 8, False) == Range(float(x.min()), float(x.max()))
    assert CALIBRATIONS["min_max"](h, 8, True) == Range(-reach, reach)


# Observing.


def random_dense(name, rng):
    return Node(name, Dense(4, relu=True), {"kernel": rng.normal(size=(4, 4)), "bias": rng.normal(size=4)})


def network(depth=2):
    rng = np.random.default_rng(0)
    return Graph("net", (4,), tuple(random_dense(f"dense_{at}", rng) for at in range(depth)))


def test_batches_add_up():
    graph, x = network(), RNG.normal(size=(3 * BATCH + 7, 4)).astype(np.float32)
    histograms = observe(graph, x)
    assert len(histograms) == 3
    values = [x]
    for node in graph.nodes:
        values.append(node.spec.run_float(node.weights, values[-1]))
    for h, value in zip(histograms.values(), values, strict=True):
        whole = Histogram.of(value)
        assert (h.seen.n, h.seen.zeros) == (value.size, np.count_nonzero(value == 0))
        assert (h.seen.low, h.seen.high) == (value.min(), value.max())
        assert h.counts.sum() == np.count_nonzero(value)
        assert np.array_equal(h.counts, whole.counts)
        assert h.seen.mean == pytest.approx(value.mean(dtype=np.float64))
        assert h.spread == pytest.approx(np.abs(value - value.mean(dtype=np.float64)).sum(), rel=1e-5)


def test_memory_does_not_grow_with_the_data():
    def peak(batches):
        x = np.ones((batches * BATCH, 4), np.float32)
        tracemalloc.start()
        observe(network(), x)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(1)
    assert peak(40) < 1.2 * peak(2)


def test_bins_hold_what_they_say():
    x = np.array([-1.0, -0.5, 0.0, 0.0, 0.25, 1.0])
    h = Histogram.of(x)
    assert [h.edges[0], h.edges[-1]] == [-1, 1]
    assert np.flatnonzero(h.counts).tolist() == [0, BINS // 4, BINS * 5 // 8, BINS - 1]
    assert (h.seen.zeros, h.counts.sum()) == (2, 4)
    assert h.clipped(np.array([-1, -0.6, -0.25]), np.array([1, 0.9, 0.3])).tolist() == [0, 2, 3]
