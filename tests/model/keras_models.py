"""Keras models and checks that the tests of the Keras front end share. Without TensorFlow all of them are skipped."""

from __future__ import annotations

import os

import numpy as np
import pytest

from dnn2fpga.errors import Refusal
from dnn2fpga.model.keras import from_keras
from dnn2fpga.model.passes import simplify

from .rows import ROWS

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
pytest.importorskip("tensorflow", reason="reading Keras models needs TensorFlow: pip install 'dnn2fpga[keras]'")
keras = pytest.importorskip("keras", reason="reading Keras models needs Keras: pip install 'dnn2fpga[keras]'")
layers = keras.layers

IMAGE = (9, 7, 3)


@pytest.fixture(autouse=True)
def fresh_names():
    """Keras numbers its default layer names over the whole process."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(1)


def sequential(shape, *parts, name="net"):
    return keras.Sequential([keras.Input(shape), *parts], name=name)


def network(name="net"):
    return sequential(
        (12, 12, 1),
        layers.Conv2D(3, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dropout(0.2),
        layers.Dense(4, activation="softmax"),
        name=name,
    )


def batch_norm(**settings):
    """With statistics as training leaves them; those of a new layer do nothing."""
    return layers.BatchNormalization(
        beta_initializer="random_normal",
        gamma_initializer="random_uniform",
        moving_mean_initializer="random_normal",
        moving_variance_initializer=keras.initializers.RandomUniform(0.5, 2.0),
        **settings,
    )


def kinds_of(graph):
    return [node.spec.kind for node in graph.nodes]


def names_of(graph):
    return [node.name for node in graph.nodes]


def flat(arrays):
    return np.concatenate([np.reshape(array, (len(array), -1)) for array in arrays], axis=1)


def assert_same(graph, model):
    """The graph computes what the model does; several inputs and outputs are packed."""
    rng = np.random.default_rng(0)
    xs = [rng.normal(size=(5, *i.shape[1:])).astype(np.float32) for i in model.inputs]
    y = model.predict(xs if len(xs) > 1 else xs[0], verbose=0)
    expected = flat(keras.tree.flatten(y)) if len(model.outputs) > 1 else keras.tree.flatten(y)[0]
    x = flat(xs) if len(xs) > 1 else xs[0]
    assert graph.input_shape == x.shape[1:]
    assert graph.output_shape == expected.shape[1:]
    np.testing.assert_allclose(graph.run(x), expected, atol=1e-4)
    np.testing.assert_allclose(simplify(graph).run(x), expected, atol=1e-4)


def assert_read(model):
    """The graph of a model, which computes what it does."""
    graph = from_keras(model, ROWS)
    assert_same(graph, model)
    return graph


def refused(source, text):
    with pytest.raises(Refusal, match=text) as refusal:
        from_keras(source, ROWS)
    assert "\n" not in str(refusal.value)
