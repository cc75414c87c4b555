from __future__ import annotations

import numpy as np
import pytest

from dnn2fpga.quant.calibrate import CALIBRATIONS
from dnn2fpga.quant.weights import norm_corrected, quantized_weights, weight_scale

RNG = np.random.default_rng(9)
KERNEL = RNG.laplace(size=(30_000, 3)) * np.array([1, 0.1, 3])
KERNEL[:1] *= 30 / np.abs(KERNEL[:1]) * np.array([1, 0.1, 3])
"""Three channels of different size, each with one weight far beyond the others."""

each_calibration = pytest.mark.parametrize("calibration", list(CALIBRATIONS))


def error(kernel, scale, bits):
    """The mean squared error of each channel."""
    return np.mean((quantized_weights(kernel, scale, bits) * scale - kernel) ** 2, axis=0)


def scale_of(kernel, bits, calibration="min_max", *, per_channel=True):
    return weight_scale(kernel, bits, per_channel=per_channel, calibration=calibration)


@pytest.mark.parametrize("bits", [3, 4, 8, 16])
def test_min_max_takes_the_greatest_to_the_end(bits):
    scale = scale_of(KERNEL, bits)
    assert scale == pytest.approx(np.abs(KERNEL).max(axis=0) / (2 ** (bits - 1) - 1), rel=1e-15)
    assert np.abs(quantized_weights(KERNEL, scale, bits)).max(axis=0).tolist() == [2 ** (bits - 1) - 1] * 3


@pytest.mark.parametrize("calibration", ["percentile", "mse", "entropy", "banner"])
@pytest.mark.parametrize("bits", [3, 4, 5, 6])
def test_all_beat_min_max_on_outliers(calibration, bits):
    found = error(KERNEL, scale_of(KERNEL, bits, calibration), bits)
    assert (found < error(KERNEL, scale_of(KERNEL, bits), bits)).all()


@each_calibration
@pytest.mark.parametrize("bits", [1, 2, 3, 8, 16])
def test_one_scale_for_all_channels(calibration, bits):
    scale = scale_of(KERNEL, bits, calibration, per_channel=False)
    assert scale.shape == (3,)
    assert np.unique(scale).tolist() == scale_of(KERNEL.reshape(-1, 1), bits, calibration).tolist()


@each_calibration
@pytest.mark.parametrize("bits", [1, 2])
def test_one_and_two_bits_do_not_ask_the_calibration(calibration, bits):
    assert np.array_equal(scale_of(KERNEL, bits, calibration), scale_of(KERNEL, bits))


@pytest.mark.parametrize("bits", [1, 2])
def test_one_and_two_bits_have_the_least_squared_error(bits):
    found = error(KERNEL, scale_of(KERNEL, bits), bits)
    others = (error(KERNEL, part * np.abs(KERNEL).max(axis=0), bits) for part in np.geomspace(0.01, 1, 100))
    assert (found <= np.min(list(others), axis=0)).all()


def test_binary_scale_is_the_mean_magnitude():
    assert np.array_equal(scale_of(KERNEL, 1), np.abs(KERNEL).mean(axis=0))


def test_ternary_scale_is_the_mean_of_those_that_are_kept():
    scale = scale_of(KERNEL, 2)
    for channel, one in zip(KERNEL.T, scale, strict=True):
        magnitudes = np.abs(channel)
        assert one == pytest.approx(magnitudes[magnitudes > one / 2].mean(), rel=1e-12)


@each_calibration
@pytest.mark.parametrize("bits", [1, 2, 3, 8])
def test_channels_of_zeros(calibration, bits):
    kernel = KERNEL.copy()
    kernel[:, 1] = 0
    scale = scale_of(kernel, bits, calibration)
    q = quantized_weights(kernel, scale, bits)
    if bits == 1:
        assert (q[:, 1] == 1).all()
        assert scale[1] == scale.max() / 2**16
    else:
        assert (q[:, 1] == 0).all()
        assert scale[1] == 1
    assert np.array_equal(scale[[0, 2]], scale_of(KERNEL, bits, calibration)[[0, 2]])
    assert scale_of(np.zeros((4, 2)), bits, calibration).tolist() == [1, 1]


@each_calibration
@pytest.mark.parametrize("bits", [1, 2, 3, 8])
def test_a_single_weight_a_channel(calibration, bits):
    kernel = np.array([[0.5, -2.0]])
    scale = scale_of(kernel, bits, calibration)
    restored = quantized_weights(kernel, scale, bits) * scale
    if calibration == "banner" and bits > 2:
        return  # it cannot know that there are no others
    assert restored == pytest.approx(kernel)


def test_rounding_and_clipping():
    kernel = np.array([[-9.0, -1.5, -0.5, 0.0, 0.5, 1.5, 9.0]]).T
    one = np.ones(1)
    assert quantized_weights(kernel, one, 3).ravel().tolist() == [-3, -1, 0, 0, 1, 2, 3]
    assert quantized_weights(kernel, one, 2).ravel().tolist() == [-1, -1, 0, 0, 1, 1, 1]
    assert quantized_weights(kernel, one, 1).ravel().tolist() == [-1, -1, -1, 1, 1, 1, 1]
    assert all(quantized_weights(kernel, one, bits).dtype == np.int64 for bits in (1, 2, 3))


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_norm_correction_restores_the_norm(bits):
    scale = scale_of(KERNEL, bits)
    q = quantized_weights(KERNEL, scale, bits)
    corrected = norm_corrected(KERNEL, q, scale)
    assert np.std(q * corrected, axis=0) == pytest.approx(np.std(KERNEL, axis=0), rel=1e-12)
    assert np.std(q * scale, axis=0) != pytest.approx(np.std(KERNEL, axis=0), rel=1e-3)


@pytest.mark.parametrize("kernel", [np.zeros((4, 2)), np.ones((4, 2)), np.array([[1e-9, 0], [0, 0], [0, 0], [0, 1]])])
def test_norm_correction_leaves_channels_without_one(kernel):
    """Without spread there is no norm to restore, and where every integer is 0, none to restore it with."""
    scale = np.array([1.0, 2.0])
    q = quantized_weights(kernel, scale, 4)
    corrected = norm_corrected(kernel, q, scale)
    assert np.isfinite(corrected).all()
    assert corrected[0] == 1
