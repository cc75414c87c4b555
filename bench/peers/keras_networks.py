"""The networks in Keras, for generators that begin there; their weights are random."""

import keras
import numpy as np
from keras import layers


def seed_cnn():
    """28×28×1, two convolutions of 12 filters, max-pooling, dense."""
    return [
        keras.Input((28, 28, 1)), layers.Conv2D(12, 3, activation="relu"), layers.Conv2D(12, 3, activation="relu"),
        layers.MaxPooling2D(2), layers.Flatten(), layers.Dense(10),
    ]  # fmt: skip


def jet_mlp():
    """16-64-32-32-5."""
    hidden = [layers.Dense(units, activation="relu") for units in (64, 32, 32)]
    return [keras.Input((16,)), *hidden, layers.Dense(5)]


def tiny_cnn():
    """8×8×1, a convolution of 4 filters, max-pooling, dense."""
    conv = layers.Conv2D(4, 3, activation="relu")
    return [keras.Input((8, 8, 1)), conv, layers.MaxPooling2D(2), layers.Flatten(), layers.Dense(10)]


def model(network):
    """A network by name, the same each time."""
    keras.utils.set_random_seed(0)
    return keras.Sequential(globals()[network]())


def inputs(network, count):
    """Random inputs for it."""
    return np.random.default_rng(0).normal(size=(count, *model(network).input_shape[1:])).astype(np.float32)
