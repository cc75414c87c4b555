"""Every layer of Keras is supported, or refused with advice; and so are the options of those that are."""

import inspect
import os
import re

import numpy as np
import pytest

import dnn2fpga as d2f
from dnn2fpga.kinds import KINDS, LOWERED
from dnn2fpga.model.keras_graph import NOTHING_AT_INFERENCE
from dnn2fpga.model.keras_refusals import ADVICE

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
NEEDED = "reading Keras models needs TensorFlow: pip install 'dnn2fpga[keras]'"
pytest.importorskip("tensorflow", reason=NEEDED)
keras = pytest.importorskip("keras", reason=NEEDED)
layers = keras.layers

STEPS, IMAGE = (6, 4), (9, 7, 4)
SUPPORTED = {*(kind.keras for kind in KINDS), *LOWERED, "Activation", "BatchNormalization", *NOTHING_AT_INFERENCE}
NO_LAYERS = {"InputLayer", "InputSpec", "Layer", "Wrapper"}


def test_advice_is_given_for_every_layer_that_is_not_supported():
    classes = {cls.__name__ for _, cls in inspect.getmembers(layers, inspect.isclass)}
    assert classes - SUPPORTED - ADVICE.keys() == NO_LAYERS
    assert not ADVICE.keys() & SUPPORTED


OPTIONS = {
    "PReLU: a slope for each position, (9, 7, 4), is not supported; use shared_axes=": (IMAGE, lambda: layers.PReLU()),
    "PReLU as an activation is not supported; put it behind the layer": (
        IMAGE,
        lambda: layers.Conv2D(2, 3, activation=layers.PReLU(shared_axes=[1, 2])),
    ),
    "axis=1 is not supported; use axis=-1": (IMAGE, lambda: layers.Softmax(axis=1)),
    "axis=1 is not supported on (9, 7, 4); use axis=-1, the channels": (
        IMAGE,
        lambda: layers.BatchNormalization(axis=1),
    ),
    "interpolation='bilinear' is not supported": (IMAGE, lambda: layers.UpSampling2D(2, interpolation="bilinear")),
    "invert=True is not supported; scale": (IMAGE, lambda: layers.Normalization(mean=0, variance=1, invert=True)),
    **{
        f"an activation '{name}' is not supported; supported are: linear, relu": (
            IMAGE,
            lambda name=name: layers.Dense(2, activation=name),
        )
        for name in ("celu", "glu", "hard_shrink", "hard_tanh", "log_sigmoid", "log_softmax", "mish", "soft_shrink",
                     "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus", "tanh_shrink", "threshold")
    },
}  # fmt: skip


@pytest.mark.parametrize("text", OPTIONS)
def test_options_that_are_refused(text):
    shape, make = OPTIONS[text]
    layer = make()
    text = text.removeprefix("PReLU: ")
    with pytest.raises(d2f.Refusal, match=f"^layer '{layer.name}': {re.escape(text)}"):
        d2f.from_keras(keras.Sequential([keras.Input(shape), layer]))


IN_TABLE = {
    "up_sampling": [
        lambda i, name=name: layers.UpSampling2D(2, interpolation=name)(i) for name in ("bilinear", "bicubic")
    ],
    "prelu": [lambda i: layers.PReLU()(i)],
    "softmax": [lambda i: layers.Softmax(axis=1)(i)],
    "affine": [
        lambda i: layers.Normalization(axis=1, mean=np.zeros(9), variance=np.ones(9))(i),
        lambda i: layers.Normalization(axis=None, mean=0.0, variance=2.0, invert=True)(i),
        lambda i: layers.BatchNormalization(axis=2)(i),
    ],
    "add": [lambda i: layers.Add()([i, layers.GlobalAveragePooling2D(keepdims=True)(i)])],
    "subtract": [lambda i: layers.Subtract()([i, layers.GlobalAveragePooling2D(keepdims=True)(i)])],
    "multiply": [
        lambda i: layers.Multiply()([i, i, i]),
        lambda i: layers.Multiply()([i, layers.GlobalAveragePooling2D(keepdims=True)(i)]),
    ],
    "maximum": [lambda i: layers.Maximum()([i, layers.GlobalAveragePooling2D(keepdims=True)(i)])],
}
"""For each row of `dnn2fpga layers` that says what is not supported, what it says."""


def test_every_row_that_says_what_is_refused_is_here():
    assert {kind.name for kind in KINDS if kind.refused} == set(IN_TABLE)


@pytest.mark.parametrize(("name", "at"), [(name, at) for name, cases in IN_TABLE.items() for at in range(len(cases))])
def test_what_the_table_says_is_refused(name, at):
    i = keras.Input(IMAGE)
    model = keras.Model(i, IN_TABLE[name][at](i))
    with pytest.raises(d2f.Refusal, match=rf"^layer '{model.layers[-1].name}': .*; "):
        d2f.from_keras(model)


CHANNELS_FIRST = {
    "Conv1D": (STEPS, (2, 3)),
    "Conv2D": (IMAGE, (2, 3)),
    "DepthwiseConv1D": (STEPS, (3,)),
    "DepthwiseConv2D": (IMAGE, (3,)),
    "SeparableConv1D": (STEPS, (2, 3)),
    "SeparableConv2D": (IMAGE, (2, 3)),
    "Conv1DTranspose": (STEPS, (2, 3)),
    "Conv2DTranspose": (IMAGE, (2, 3)),
    "MaxPooling1D": (STEPS, (2,)),
    "MaxPooling2D": (IMAGE, (2,)),
    "AveragePooling2D": (IMAGE, (2,)),
    "GlobalAveragePooling2D": (IMAGE, ()),
    "GlobalMaxPooling1D": (STEPS, ()),
    "ZeroPadding2D": (IMAGE, ()),
    "Cropping2D": (IMAGE, ()),
    "UpSampling2D": (IMAGE, ()),
    "Flatten": (IMAGE, ()),
}


@pytest.mark.parametrize("class_name", CHANNELS_FIRST)
def test_channels_first_is_refused(class_name):
    shape, arguments = CHANNELS_FIRST[class_name]
    layer = getattr(layers, class_name)(*arguments, data_format="channels_first")
    text = "data_format='channels_first' is not supported; use data_format='channels_last'"
    with pytest.raises(d2f.Refusal, match=f"^layer '{layer.name}': {text}"):
        d2f.from_keras(keras.Sequential([keras.Input(shape), layer]))


@pytest.mark.filterwarnings("ignore")  # Keras warns that .h5 is old
@pytest.mark.parametrize("form", ["keras", "h5", "json"])
def test_what_advice_puts_in_place_of_a_layer_computes_the_same(tmp_path, form):
    """Rescaling and joins for Average and Minimum; depthwise and separable layers, and statistics, from files."""
    i, j = keras.Input(IMAGE), keras.Input(IMAGE)
    average = layers.Rescaling(1 / 2)(layers.Add()([i, j]))
    opposite = [layers.Rescaling(-1.0)(x) for x in (average, i)]
    least = layers.Rescaling(-1.0)(layers.Maximum()(opposite))
    statistics = layers.Normalization()
    rng = np.random.default_rng(0)
    statistics.adapt(rng.normal(2, 3, size=(20, *IMAGE)))
    x = layers.DepthwiseConv2D(3, activation=layers.LeakyReLU())(statistics(least))
    model = keras.Model([i, j], [least, layers.SeparableConv2D(3, 2)(layers.PReLU(shared_axes=[1, 2])(x))])
    path = tmp_path / f"net.{form}"
    if form == "json":
        path.write_text(model.to_json())
        model.save_weights(tmp_path / "net.weights.h5")
    else:
        model.save(path)
    xs = [rng.normal(size=(3, *IMAGE)).astype(np.float32) for _ in range(2)]
    y = np.concatenate([part.reshape(3, -1) for part in model.predict(xs, verbose=0)], axis=1)
    np.testing.assert_allclose(np.minimum((xs[0] + xs[1]) / 2, xs[0]).reshape(3, -1), y[:, : xs[0][0].size], atol=1e-6)
    x = np.concatenate([part.reshape(3, -1) for part in xs], axis=1)
    np.testing.assert_allclose(d2f.from_keras(path).run(x), y, atol=1e-5)
