from __future__ import annotations

import numpy as np
import pytest

from dnn2fpga.model.keras import from_keras

from .keras_models import (
    IMAGE,
    assert_read,
    batch_norm,
    fresh_names,  # noqa: F401
    keras,
    kinds_of,
    layers,
    network,
    refused,
    sequential,
)
from .rows import ROWS

CHAINS = {
    "conv valid": (IMAGE, lambda: [layers.Conv2D(4, 3)]),
    "conv same": (IMAGE, lambda: [layers.Conv2D(4, (3, 2), padding="same")]),
    "conv strides": (IMAGE, lambda: [layers.Conv2D(4, 3, strides=2)]),
    "conv strides same": (IMAGE, lambda: [layers.Conv2D(4, (2, 4), strides=(3, 2), padding="same")]),
    "conv strides beyond kernel same": (IMAGE, lambda: [layers.Conv2D(2, 1, strides=2, padding="same")]),
    "conv dilated": (IMAGE, lambda: [layers.Conv2D(4, (3, 2), dilation_rate=(2, 3))]),
    "conv dilated same": (IMAGE, lambda: [layers.Conv2D(4, (2, 3), dilation_rate=(3, 2), padding="same")]),
    "conv without bias": (IMAGE, lambda: [layers.Conv2D(4, 3, use_bias=False)]),
    "conv relu": (IMAGE, lambda: [layers.Conv2D(4, 3, activation="relu", bias_initializer="random_normal")]),
    "pool": (IMAGE, lambda: [layers.MaxPooling2D(2)]),
    "pool strides": (IMAGE, lambda: [layers.MaxPooling2D((3, 2), strides=(1, 2))]),
    "pool same": (IMAGE, lambda: [layers.MaxPooling2D(2, padding="same")]),
    "flatten dense": (IMAGE, lambda: [layers.Flatten(), layers.Dense(5)]),
    "dense without bias": ((6,), lambda: [layers.Dense(5, use_bias=False)]),
    "tanh argument": ((6,), lambda: [layers.Dense(5, activation="tanh")]),
    "sigmoid argument": ((6,), lambda: [layers.Dense(5, activation="sigmoid")]),
    "softmax argument": ((6,), lambda: [layers.Dense(5, activation="softmax")]),
    "linear argument": ((6,), lambda: [layers.Dense(5, activation="linear")]),
    "function argument": ((6,), lambda: [layers.Dense(5, activation=keras.activations.relu)]),
    "activation layers": (
        (6,),
        lambda: [layers.Dense(5), layers.Activation("tanh"), layers.Activation("linear"), layers.ReLU()],
    ),
    "softmax layer": ((6,), lambda: [layers.Dense(5), layers.Softmax()]),
    "batch norm": (IMAGE, lambda: [layers.Conv2D(4, 3, use_bias=False), batch_norm(), layers.ReLU()]),
    "batch norm without scale": (IMAGE, lambda: [layers.Conv2D(4, 3), batch_norm(scale=False)]),
    "batch norm without center": (IMAGE, lambda: [layers.Conv2D(4, 3), batch_norm(center=False)]),
    "batch norm bare": ((6,), lambda: [layers.Dense(4), batch_norm(center=False, scale=False)]),
    "batch norm with axis": (IMAGE, lambda: [layers.Conv2D(4, 3), batch_norm(axis=3)]),
    "training only": (
        IMAGE,
        lambda: [layers.GaussianNoise(0.1), layers.Conv2D(4, 3), layers.SpatialDropout2D(0.5),
                 layers.Flatten(), layers.Dropout(0.5), layers.Dense(3)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CHAINS)
def test_same_as_keras(case):
    shape, parts = CHAINS[case]
    assert_read(sequential(shape, *parts()))


def test_activation_arguments_become_nodes():
    graph = from_keras(network(), ROWS)
    assert (graph.name, graph.input_shape) == ("net", (12, 12, 1))
    assert [node.name for node in graph.nodes] == [
        "conv2d", "conv2d_relu", "max_pooling2d", "flatten", "dense", "dense_softmax",
    ]  # fmt: skip
    assert kinds_of(graph) == ["conv2d", "relu", "max_pool2d", "flatten", "dense", "softmax"]


def test_activation_layer_keeps_its_name():
    graph = from_keras(sequential((6,), layers.Dense(5), layers.Activation("relu", name="squash")), ROWS)
    assert [node.name for node in graph.nodes] == ["dense", "squash"]


def test_model_built_by_its_first_call():
    model = keras.Sequential([layers.Dense(3)])
    model(np.zeros((1, 4)))
    assert_read(model)


def test_open_input_shapes_are_refused():
    refused(
        sequential((None, None, 3), layers.Conv2D(2, 3)),
        r"^model 'net': the input shape \(None, None, 3\) is not",
    )
    refused(
        keras.Sequential([layers.Dense(3)], name="bare"),
        "^model 'bare' has no input shape yet; put keras.Input",
    )


def test_subclassed_models_are_refused():
    class Own(keras.Model):
        def call(self, x):
            return x

    refused(Own(name="own"), "^model 'own' is a Own; only Sequential and functional")


def test_names_given_twice_are_refused():
    model = sequential((6,), layers.Dense(5, activation="relu", name="a"), layers.ReLU(name="a_relu"))
    refused(model, "^two layers are called 'a_relu'")


def test_what_is_no_model_is_refused():
    refused(3, "^a model must be a path or a keras.Model, not int$")
