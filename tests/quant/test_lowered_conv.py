"""Convolutions and poolings against Keras itself, in floats, traced and in integers."""

from __future__ import annotations

import os

import numpy as np
import pytest

from dnn2fpga.errors import Refusal
from dnn2fpga.kinds import LOWERED
from dnn2fpga.quant.ops.average_pool2d import AveragePool2D
from dnn2fpga.quant.ops.conv2d import Conv2D
from dnn2fpga.quant.ops.dense import Dense
from dnn2fpga.quant.ops.window import Window

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
NEEDED = "Keras is the oracle here: pip install 'dnn2fpga[keras]'"
tf = pytest.importorskip("tensorflow", reason=NEEDED)
keras = pytest.importorskip("keras", reason=NEEDED)
layers = keras.layers

IMAGE, SEQUENCE = (9, 7, 6), (11, 4)

LAYERS = {
    "groups": (IMAGE, lambda: layers.Conv2D(4, 3, groups=2)),
    "groups, strides, same": (IMAGE, lambda: layers.Conv2D(9, (2, 3), strides=(2, 1), padding="same", groups=3)),
    "groups, dilation": (IMAGE, lambda: layers.Conv2D(6, 2, dilation_rate=(3, 2), groups=3)),
    "groups of one": (IMAGE, lambda: layers.Conv2D(12, 3, groups=6)),
    "depthwise": (IMAGE, lambda: layers.DepthwiseConv2D(3)),
    "depthwise, multiplier": (IMAGE, lambda: layers.DepthwiseConv2D((3, 2), depth_multiplier=3, padding="same")),
    "depthwise, strides": (IMAGE, lambda: layers.DepthwiseConv2D(3, strides=2, padding="same", use_bias=False)),
    "depthwise, dilation": (IMAGE, lambda: layers.DepthwiseConv2D(2, dilation_rate=3, depth_multiplier=2)),
    "depthwise, one channel": ((5, 6, 1), lambda: layers.DepthwiseConv2D(3, depth_multiplier=4)),
    "separable": (IMAGE, lambda: layers.SeparableConv2D(5, 3, depth_multiplier=2)),
    "separable, strides": (IMAGE, lambda: layers.SeparableConv2D(5, 3, strides=2, padding="same")),
    "separable, dilation": (IMAGE, lambda: layers.SeparableConv2D(5, 2, dilation_rate=2, use_bias=False)),
    "1-D": (SEQUENCE, lambda: layers.Conv1D(5, 3)),
    "1-D, same": (SEQUENCE, lambda: layers.Conv1D(5, 4, strides=3, padding="same", use_bias=False)),
    "1-D, causal": (SEQUENCE, lambda: layers.Conv1D(5, 3, padding="causal")),
    "1-D, causal, dilation": (SEQUENCE, lambda: layers.Conv1D(5, 3, dilation_rate=4, padding="causal")),
    "1-D, causal, strides": (SEQUENCE, lambda: layers.Conv1D(5, 3, strides=2, padding="causal")),
    "1-D, groups": (SEQUENCE, lambda: layers.Conv1D(6, 3, groups=2, dilation_rate=2)),
    "1-D depthwise": (SEQUENCE, lambda: layers.DepthwiseConv1D(3, strides=2, padding="same", depth_multiplier=2)),
    "1-D depthwise, dilation": (SEQUENCE, lambda: layers.DepthwiseConv1D(2, dilation_rate=3)),
    "1-D separable": (SEQUENCE, lambda: layers.SeparableConv1D(5, 3, depth_multiplier=2, padding="same")),
    "1-D pool": (SEQUENCE, lambda: layers.MaxPooling1D(3, strides=2, padding="same")),
    "average": (IMAGE, lambda: layers.AveragePooling2D((2, 3))),
    "average, same": (IMAGE, lambda: layers.AveragePooling2D(3, strides=(1, 2), padding="same")),
    "1-D average": (SEQUENCE, lambda: layers.AveragePooling1D(3, strides=2)),
    "1-D average, same": (SEQUENCE, lambda: layers.AveragePooling1D(4, padding="same")),
    "dense": (IMAGE, lambda: layers.Dense(5)),
}  # fmt: skip

SAME = Window((3, 3), (1, 1), "same")
READ = {"Conv2D": Conv2D, "AveragePooling2D": AveragePool2D, "Dense": Dense}


def parts_of(layer):
    name, config = type(layer).__name__, layer.get_config()
    weights = [np.asarray(weight) for weight in layer.get_weights()]
    return LOWERED[name](config, weights) if name in LOWERED else [("", *READ[name].from_keras(config, weights))]


@pytest.mark.parametrize("case", LAYERS)
def test_same_as_keras(case):
    shape, make = LAYERS[case]
    keras.utils.set_random_seed(1)
    layer = make()
    model = keras.Sequential([keras.Input(shape), layer])
    layer.set_weights([np.random.default_rng(2).normal(size=weight.shape) for weight in layer.get_weights()])
    x = np.random.default_rng(3).normal(size=(3, *shape)).astype(np.float32)
    expected = model.predict(x, verbose=0)
    y = traced = x
    for _, spec, weights in parts_of(layer):
        assert {name: weight.shape for name, weight in weights.items()} == spec.weight_shapes(y.shape[1:])
        y_shape = spec.output_shape(y.shape[1:])
        y = spec.run_float(weights, y)
        traced = spec.run_traced(keras.ops, weights, traced, pad=0.0)
        assert y.shape[1:] == y_shape
        assert y.dtype == np.float32
    np.testing.assert_allclose(y, expected, atol=1e-4)
    np.testing.assert_allclose(np.array(traced), expected, atol=1e-4)


def test_names_of_parts_differ():
    layer = layers.SeparableConv2D(2, 3)
    layer.build((None, 8, 8, 3))
    assert [suffix for suffix, *_ in parts_of(layer)] == ["_depthwise", ""]


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_grouped_convolutions_can_be_trained(groups):
    kernel = tf.Variable(np.random.default_rng(0).normal(size=(3, 3, 6 // groups, 6)).astype(np.float32))
    x = tf.Variable(np.random.default_rng(1).normal(size=(2, 5, 5, 6)).astype(np.float32))
    conv = Conv2D(6, SAME, groups=groups)
    with tf.GradientTape() as tape:
        y = conv.run_traced(keras.ops, {"kernel": kernel.value(), "bias": np.zeros(6, np.float32)}, x.value(), pad=0.0)
        loss = tf.reduce_sum(y * y)
    gradients = tape.gradient(loss, [kernel, x])
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Conv2D(4, SAME, groups=3), "^groups must divide 4 filters, not be 3$"),
        (lambda: Conv2D(4, SAME, groups=2).output_shape((4, 4, 3)), "^3 channels do not divide into 2"),
    ],
)
def test_refusals(make, text):
    with pytest.raises(Refusal, match=text):
        make()
