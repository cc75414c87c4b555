"""Keras layers that pool over everything or move values: read, run in floats and traced as Keras runs them."""

from __future__ import annotations

import itertools
import os

import numpy as np
import pytest

import dnn2fpga as d2f
from dnn2fpga.errors import Refusal

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
NEEDED = "reading Keras models needs TensorFlow: pip install 'dnn2fpga[keras]'"
pytest.importorskip("tensorflow", reason=NEEDED)
keras = pytest.importorskip("keras", reason=NEEDED)
layers = keras.layers

IMAGE, SEQUENCE = (5, 4, 3), (7, 3)


@pytest.fixture(autouse=True)
def fresh_names():
    keras.backend.clear_session()
    keras.utils.set_random_seed(1)


def model_of(shape, *parts):
    return keras.Sequential([keras.Input(shape), *parts], name="net")


LAYERS = {
    "average": (IMAGE, lambda: layers.GlobalAveragePooling2D()),
    "average keepdims": (IMAGE, lambda: layers.GlobalAveragePooling2D(keepdims=True)),
    "average 1d": (SEQUENCE, lambda: layers.GlobalAveragePooling1D()),
    "average 1d keepdims": (SEQUENCE, lambda: layers.GlobalAveragePooling1D(keepdims=True)),
    "max": (IMAGE, lambda: layers.GlobalMaxPooling2D()),
    "max keepdims": (IMAGE, lambda: layers.GlobalMaxPooling2D(keepdims=True)),
    "max 1d": (SEQUENCE, lambda: layers.GlobalMaxPooling1D()),
    "max 1d keepdims": (SEQUENCE, lambda: layers.GlobalMaxPooling1D(keepdims=True)),
    "zeros": (IMAGE, lambda: layers.ZeroPadding2D()),
    "zeros all round": (IMAGE, lambda: layers.ZeroPadding2D((2, 1))),
    "zeros each side": (IMAGE, lambda: layers.ZeroPadding2D(((0, 1), (2, 3)))),
    "zeros 1d": (SEQUENCE, lambda: layers.ZeroPadding1D(2)),
    "zeros 1d each side": (SEQUENCE, lambda: layers.ZeroPadding1D((0, 3))),
    "crop": (IMAGE, lambda: layers.Cropping2D(1)),
    "crop each side": (IMAGE, lambda: layers.Cropping2D(((0, 1), (3, 0)))),
    "crop 1d": (SEQUENCE, lambda: layers.Cropping1D(2)),
    "crop 1d each side": (SEQUENCE, lambda: layers.Cropping1D((0, 5))),
    "repeat": (IMAGE, lambda: layers.UpSampling2D()),
    "repeat each axis": (IMAGE, lambda: layers.UpSampling2D((1, 3))),
    "repeat 1d": (SEQUENCE, lambda: layers.UpSampling1D(3)),
    "reshape": (IMAGE, lambda: layers.Reshape((4, 15))),
    "reshape to what is left": (IMAGE, lambda: layers.Reshape((2, -1, 5))),
    "permute": (IMAGE, lambda: layers.Permute((3, 1, 2))),
    "permute 1d": (SEQUENCE, lambda: layers.Permute((2, 1))),
}


def transposed(one, other, **settings):
    cls = layers.Conv1DTranspose if isinstance(one, int) else layers.Conv2DTranspose
    return cls(2, one, other, bias_initializer="random_normal", **settings)


def transposed_layers():
    for kernel, stride, padding in itertools.product((1, 2, 3, 5), (1, 2, 3), ("valid", "same")):
        for more in [None, *range(stride)]:
            if padding == "same" and kernel % 2 == 0 and more == 0:
                continue  # TensorFlow refuses it, and so do we
            settings = {"padding": padding, "output_padding": more}
            yield f"{kernel}-{stride}-{padding}-{more}", SEQUENCE, kernel, stride, settings
    for padding in ("valid", "same"):
        yield f"2d-{padding}", IMAGE, (3, 2), (2, 3), {"padding": padding}
        yield f"2d-{padding}-no-bias", IMAGE, (2, 4), (2, 1), {"padding": padding, "use_bias": False}
        yield f"2d-{padding}-more", IMAGE, (3, 3), (2, 2), {"padding": padding, "output_padding": (1, 0)}
        yield f"2d-{padding}-dilated", IMAGE, (3, 2), (1, 1), {"padding": padding, "dilation_rate": (2, 3)}


for name, shape, kernel, stride, settings in transposed_layers():
    LAYERS[f"transposed {name}"] = shape, lambda k=kernel, s=stride, more=settings: transposed(k, s, **more)


def undilated(model):
    """The same model, dilated by zeros among its weights: TensorFlow dilates on some CPUs only."""
    layer = model.layers[-1]
    dilation = getattr(layer, "dilation_rate", 1)
    if not isinstance(layer, layers.Conv2DTranspose) or dilation == (1, 1):
        return model
    kernel, bias = layer.get_weights()
    sizes = [(size - 1) * step + 1 for size, step in zip(layer.kernel_size, dilation, strict=True)]
    stretched = np.zeros((*sizes, *kernel.shape[2:]), np.float32)
    stretched[:: dilation[0], :: dilation[1]] = kernel
    same = model_of(model.input_shape[1:], layers.Conv2DTranspose(layer.filters, sizes, padding=layer.padding))
    same.set_weights([stretched, bias])
    return same


@pytest.mark.parametrize("name", LAYERS)
def test_floats_are_those_of_keras(name):
    shape, make = LAYERS[name]
    model = model_of(shape, make())
    graph = d2f.from_keras(model)
    x = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    expected = np.array(undilated(model)(x))
    assert graph.output_shape == expected.shape[1:]
    np.testing.assert_allclose(graph.run(x), expected, atol=1e-5)
    traced = x
    for node in graph.nodes:
        traced = node.spec.run_traced(keras.ops, node.weights, traced, pad=0.0)
    np.testing.assert_allclose(np.array(traced), expected, atol=1e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_integers_come_near_the_floats(name):
    shape, make = LAYERS[name]
    graph = d2f.from_keras(model_of(shape, make()))
    x = np.random.default_rng(0).uniform(-1, 1, (8, *shape))
    qgraph = d2f.quantize(graph, x, weight_bits=12, activation_bits=12)
    real = graph.run(x)
    assert np.abs(qgraph.outputs_to_real(qgraph.run(x)) - real).max() < 4e-3 * max(1, np.abs(real).max())


def test_a_stretched_layer_keeps_its_name_behind_its_zeros():
    graph = d2f.from_keras(model_of(IMAGE, layers.Conv2DTranspose(2, 3, 2, name="up")))
    assert [node.name for node in graph.nodes] == ["up_stretch", "up"]


CHANNELS_FIRST = "data_format='channels_first' is not supported"
REFUSED = {
    "average": (IMAGE, lambda: layers.GlobalAveragePooling2D(data_format="channels_first"), CHANNELS_FIRST),
    "max 1d": (SEQUENCE, lambda: layers.GlobalMaxPooling1D(data_format="channels_first"), CHANNELS_FIRST),
    "zeros": (IMAGE, lambda: layers.ZeroPadding2D(data_format="channels_first"), CHANNELS_FIRST),
    "crop": ((3, 4, 5), lambda: layers.Cropping2D(data_format="channels_first"), CHANNELS_FIRST),
    "repeat": (IMAGE, lambda: layers.UpSampling2D(data_format="channels_first"), CHANNELS_FIRST),
    "bilinear": (IMAGE, lambda: layers.UpSampling2D(interpolation="bilinear"), "interpolation='bilinear'"),
    "transposed": (
        (3, 4, 5), lambda: layers.Conv2DTranspose(2, 3, data_format="channels_first"), CHANNELS_FIRST
    ),
    "average 3d": ((2, *IMAGE), lambda: layers.GlobalAveragePooling3D(), "GlobalAveragePooling3D is not supported"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_settings_that_are_not_supported_are_refused_by_name(name):
    shape, make, why = REFUSED[name]
    layer = make()
    layer.name = "odd"
    with pytest.raises(Refusal, match=r"layer 'odd'") as refusal:
        d2f.from_keras(model_of(shape, layer))
    assert why in str(refusal.value)
