"""Keras models as they are used on small devices, in any size, their weights random.

Moving statistics of batch normalization are those of a batch of noise, scale and offset random, as training leaves
them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers

Shape = tuple[int, ...]


def _normalized(x: Any, relu: Any = "relu") -> Any:
    return layers.Activation(relu)(layers.BatchNormalization(momentum=0.0)(x))


def _separable(x: Any, channels: int, strides: int, relu: str = "relu") -> Any:
    """A depthwise convolution and a pointwise one."""
    x = layers.DepthwiseConv2D(3, strides, padding="same", use_bias=False)(x)
    return _normalized(layers.Conv2D(channels, 1, use_bias=False)(_normalized(x, relu)), relu)


def keyword_spotting(shape: Shape = (49, 10, 1), channels: int = 64, blocks: int = 4) -> keras.Model:
    """A depthwise-separable CNN, as those that spot keywords; its second block halves the image."""
    i = keras.Input(shape)
    x = _normalized(layers.Conv2D(channels, (10, 4), 2, padding="same", use_bias=False)(i))
    for block in range(blocks):
        x = _separable(x, channels, 2 if block == 1 else 1)
    return keras.Model(i, layers.Dense(12, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


def mobilenet(shape: Shape = (96, 96, 3), channels: int = 8, classes: int = 2) -> keras.Model:
    """MobileNetV1; `channels` behind the first layer are 32 times its alpha."""
    i = keras.Input(shape)
    x = layers.ZeroPadding2D(((0, 1), (0, 1)))(i)
    x = _normalized(layers.Conv2D(channels, 3, 2, use_bias=False)(x), "relu6")
    for factor, strides in ((2, 1), (4, 2), (4, 1), (8, 2), (8, 1), (16, 2), *[(16, 1)] * 5, (32, 2), (32, 1)):
        x = _separable(x, channels * factor, strides, "relu6")
    return keras.Model(i, layers.Dense(classes, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


def sequence(shape: Shape = (128, 6), channels: int = 16) -> keras.Model:
    """A 1-D CNN, causal, dilated and separable, as those for signals."""
    i = keras.Input(shape)
    x = _normalized(layers.Conv1D(channels, 5, padding="same", use_bias=False)(i))
    x = layers.MaxPooling1D(2)(x)
    x = layers.Conv1D(channels, 3, padding="causal", dilation_rate=2, activation="tanh")(x)
    x = layers.AveragePooling1D(3, 2, padding="same")(layers.LeakyReLU()(layers.SeparableConv1D(channels * 2, 3)(x)))
    x = layers.GlobalMaxPooling1D()(_normalized(layers.Conv1D(channels * 2, 3, 2, groups=2)(x)))
    return keras.Model(i, layers.Dense(6, activation="softmax")(x))


def u_shaped(shape: Shape = (32, 32, 1), channels: int = 8) -> keras.Model:
    """Down by pooling, up by repeating and by a transposed convolution, with ways across; gives an image."""
    i = keras.Input(shape)
    high = _normalized(layers.Conv2D(channels, 3, padding="same", use_bias=False)(i))
    middle = _normalized(layers.Conv2D(channels * 2, 3, padding="same")(layers.MaxPooling2D()(high)))
    low = _normalized(layers.Conv2D(channels * 4, 3, padding="same")(layers.MaxPooling2D()(middle)))
    x = layers.Concatenate()([layers.Conv2DTranspose(channels * 2, 3, 2, padding="same")(low), middle])
    x = layers.UpSampling2D()(_normalized(layers.Conv2D(channels * 2, 3, padding="same")(x)))
    x = _normalized(layers.Conv2D(channels, 3, padding="same")(layers.Concatenate()([x, high])))
    return keras.Model(i, layers.Conv2D(1, 1, activation="sigmoid")(x))


def two_and_two(shape: Shape = (24, 24, 3), values: int = 10, channels: int = 12) -> keras.Model:
    """An image and a few values in, a class and a few values out."""
    i, j = keras.Input(shape), keras.Input((values,))
    x = _normalized(layers.Conv2D(channels, 3, 2, padding="same", use_bias=False)(i))
    x = layers.Add()([x, layers.Conv2D(channels, 3, padding="same", activation="relu")(x)])
    x = layers.GlobalAveragePooling2D()(x)
    gate = layers.Dense(channels, activation="sigmoid")(j)
    both = layers.Concatenate()([layers.Multiply()([x, gate]), layers.Dense(8, activation="relu")(j)])
    return keras.Model([i, j], [layers.Dense(5, activation="softmax")(both), layers.Dense(3, activation="tanh")(both)])


def noise(model: keras.Model, n: int, seed: int) -> list[np.ndarray]:
    """`n` random inputs of each kind, smooth along their first axis, as signals and images are."""
    rng = np.random.default_rng(seed)
    parts = []
    for tensor in model.inputs:
        x = rng.normal(size=(n, *tensor.shape[1:]))
        x = x + np.roll(x, 1, axis=1) + rng.normal(size=(n, *[1] * (x.ndim - 2), x.shape[-1]))
        parts.append((x / x.std()).astype(np.float32))
    return parts


def flat(parts: list[np.ndarray]) -> np.ndarray:
    """Several tensors as the packed one that stands for them; one as it is."""
    return parts[0] if len(parts) == 1 else np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)


def made(make: Callable[..., keras.Model], seed: int = 0, **sizes: Any) -> keras.Model:
    """The model, its statistics of noise, and scales and offsets random."""
    keras.utils.set_random_seed(seed)
    model, rng = make(**sizes), np.random.default_rng(seed)
    normalizations = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    for layer in normalizations:
        layer.gamma.assign(rng.uniform(0.5, 1.5, layer.gamma.shape))
        layer.beta.assign(rng.normal(0, 0.3, layer.beta.shape))
    parts = noise(model, 16, seed + 1)
    model(parts if len(parts) > 1 else parts[0], training=True)
    return model
