"""Small models as TensorFlow's own converter writes them, every operator among them, against its reference kernels."""

import os
from functools import cache

import numpy as np
import pytest

import dnn2fpga as d2f
from dnn2fpga.quant.tflite import file
from dnn2fpga.quant.tflite.importer import OPERATORS

from .oracle import reference

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")
layers = keras.layers

IMAGE, SEQUENCE = (8, 6, 3), (12, 3)


def residual(i):
    x = layers.Conv2D(4, 3, 2, padding="same", activation="relu6")(i)
    y = layers.BatchNormalization()(layers.Conv2D(4, 3, padding="same", use_bias=False)(x))
    x = layers.ReLU()(layers.Add()([x, y]))
    return layers.Dense(5, activation="softmax")(layers.Flatten()(layers.AveragePooling2D(2)(x)))


def separable(i):
    x = layers.ReLU(6.0)(layers.DepthwiseConv2D(3, 2, padding="same", depth_multiplier=2)(i))
    x = layers.LeakyReLU(negative_slope=0.1)(layers.Conv2D(6, 1)(x))
    return layers.Dense(4)(layers.GlobalAveragePooling2D()(layers.BatchNormalization()(x)))


def gated(i):
    x = layers.Multiply()([layers.Conv2D(4, 1, activation="sigmoid")(i), layers.Conv2D(4, 1, activation="tanh")(i)])
    x = layers.Concatenate()([layers.ZeroPadding2D(1)(x), layers.ZeroPadding2D(1)(i)])
    return layers.Reshape((20, 7))(layers.MaxPooling2D(2)(x))


def rectified(i):
    x = layers.Concatenate(axis=1)([layers.MaxPooling2D(2)(i), layers.AveragePooling2D(2)(i)])
    return layers.Concatenate()([layers.ReLU()(x), layers.ReLU(6.0)(x)])


def scaled(i):
    x = layers.BatchNormalization()(layers.Conv2D(4, 3, activation="relu")(i))
    return layers.Activation("hard_sigmoid")(layers.Conv2D(3, 3, groups=1)(x))


def sequence(i):
    x = layers.Conv1D(4, 3, padding="causal", activation="relu")(i)
    x = layers.SeparableConv1D(5, 3)(layers.MaxPooling1D(2)(x))
    return layers.Dense(3)(layers.GlobalAveragePooling1D()(x))


def dilated(i):
    x = layers.Conv2D(4, 3, padding="same", dilation_rate=2, activation="relu")(i)
    return layers.Dense(2)(layers.DepthwiseConv2D(2, dilation_rate=2)(x))


NETWORKS = {
    "residual": (residual, IMAGE), "separable": (separable, IMAGE), "gated": (gated, IMAGE),
    "rectified": (rectified, IMAGE), "scaled": (scaled, IMAGE), "sequence": (sequence, SEQUENCE),
    "dilated": (dilated, IMAGE),
}  # fmt: skip
OF_ONE = {"dilated"}
"""Those that the converter writes with the operators of the issue only if the batch is fixed."""


@cache
def converted(name, batch, ends):
    """A full-int8 file of a model, its moving statistics random, and inputs for it."""
    build, shape = NETWORKS[name]
    keras.utils.set_random_seed(0)
    i = keras.Input(shape, batch_size=batch)
    model, rng = keras.Model(i, build(i)), np.random.default_rng(1)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
    x = rng.normal(size=(30, *shape)).astype(np.float32)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([one[np.newaxis]] for one in x)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = ends
    return converter.convert(), x


def read(content, path):
    (path / "model.tflite").write_bytes(content)
    return d2f.from_tflite(path / "model.tflite")


@pytest.mark.parametrize("batch", [None, 1])
@pytest.mark.parametrize("name", NETWORKS)
def test_gives_the_bytes_of_the_reference_kernels(name, batch, tmp_path):
    if name in OF_ONE and batch is None:
        pytest.skip("the converter writes others then: test_what_needs_one_batch_says_so")
    content, _ = converted(name, batch, tf.int8)
    q = np.random.default_rng(2).integers(-128, 128, (40, *NETWORKS[name][1])).astype(np.int8)
    found = read(content, tmp_path).run(q)
    assert found.dtype == np.int8
    assert (found != reference(content, q)).sum() == 0


@pytest.mark.parametrize("name", ["separable", "gated"])
def test_with_floats_at_the_ends(name, tmp_path):
    content, x = converted(name, None, tf.float32)
    qgraph = read(content, tmp_path)
    assert (qgraph.outputs_to_real(qgraph.run(x)).astype(np.float32) == reference(content, x)).all()


@pytest.mark.parametrize("name", sorted(OF_ONE))
def test_what_needs_one_batch_says_so(name, tmp_path):
    content, _ = converted(name, None, tf.int8)
    with pytest.raises(d2f.Refusal, match=r"SPACE_TO_BATCH_ND.*: is not supported; .*batch_size=1"):
        read(content, tmp_path)


def test_every_operator_is_there(tmp_path):
    seen = set()
    for name in NETWORKS:
        for ends in (tf.int8, tf.float32) if name == "gated" else (tf.int8,):
            content, _ = converted(name, 1 if name in OF_ONE else None, ends)
            (tmp_path / "model.tflite").write_bytes(content)
            seen.update(operator.name for operator in file.read(tmp_path / "model.tflite").operators)
    assert set(OPERATORS) - seen == set()
