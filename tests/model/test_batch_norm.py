from __future__ import annotations

import numpy as np
import pytest

from dnn2fpga.errors import Refusal
from dnn2fpga.model.batch_norm import BatchNormalization

WEIGHTS = {
    "gamma": np.float32([2, -1]),
    "beta": np.float32([0.5, 0.25]),
    "moving_mean": np.float32([10, -3]),
    "moving_variance": np.float32([0, 3]),
}
X = np.arange(8, dtype=np.float32).reshape(2, 2, 2)


@pytest.mark.parametrize("scale", [False, True])
@pytest.mark.parametrize("center", [False, True])
def test_the_definition(scale, center):
    spec = BatchNormalization(1.0, scale=scale, center=center)
    weights = {name: WEIGHTS[name] for name in spec.weight_shapes((2, 2))}
    expected = (X - [10, -3]) / np.array([1, 2])  # the roots of variance + epsilon
    expected = expected * ([2, -1] if scale else 1) + ([0.5, 0.25] if center else 0)
    y = spec.run_float(weights, X)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, expected, rtol=1e-6)


def test_from_keras_in_the_order_of_its_weights():
    config = {"axis": [3], "epsilon": 0.1, "scale": False, "center": True}
    arrays = [WEIGHTS[name] for name in ("beta", "moving_mean", "moving_variance")]
    spec, weights = BatchNormalization.from_keras(config, arrays)
    assert spec == BatchNormalization(0.1, axis=3, scale=False)
    assert list(weights) == ["beta", "moving_mean", "moving_variance"]
    assert weights["moving_mean"] is WEIGHTS["moving_mean"]


@pytest.mark.parametrize("axis", [-1, 3])
def test_axis_of_the_channels(axis):
    assert BatchNormalization(0.1, axis).output_shape((4, 5, 2)) == (4, 5, 2)


@pytest.mark.parametrize("axis", [1, 2, -2])
def test_other_axes_are_refused(axis):
    with pytest.raises(Refusal, match=rf"^axis={axis} is not supported on \(4, 5, 2\); use axis=-1, the channels$"):
        BatchNormalization(0.1, axis).output_shape((4, 5, 2))
