"""What of Keras is refused: by layer name, and with what would work."""

from __future__ import annotations

import re

import pytest

from dnn2fpga.model.keras_graph import NOTHING_AT_INFERENCE
from dnn2fpga.model.keras_refusals import ADVICE

from .keras_models import (
    IMAGE,
    assert_read,
    fresh_names,  # noqa: F401
    keras,
    layers,
    names_of,
    refused,
    sequential,
)

pytestmark = pytest.mark.filterwarnings("ignore")  # Keras warns of functions without a name, among others

STEPS, VOLUME, FEATURES = (6, 4), (4, 4, 4, 2), (5,)

LAYERS = {
    "LSTM": (STEPS, lambda: layers.LSTM(3)),
    "GRU": (STEPS, lambda: layers.GRU(3)),
    "SimpleRNN": (STEPS, lambda: layers.SimpleRNN(3)),
    "RNN": (STEPS, lambda: layers.RNN(layers.LSTMCell(3))),
    "Bidirectional": (STEPS, lambda: layers.Bidirectional(layers.LSTM(3))),
    "ConvLSTM1D": ((3, 6, 2), lambda: layers.ConvLSTM1D(2, 3)),
    "ConvLSTM2D": (VOLUME, lambda: layers.ConvLSTM2D(2, 3)),
    "TimeDistributed": (STEPS, lambda: layers.TimeDistributed(layers.Dense(3))),
    "Embedding": (FEATURES, lambda: layers.Embedding(10, 3)),
    "Masking": (STEPS, lambda: layers.Masking()),
    "LayerNormalization": (STEPS, lambda: layers.LayerNormalization()),
    "GroupNormalization": (STEPS, lambda: layers.GroupNormalization(2)),
    "RMSNormalization": (STEPS, lambda: layers.RMSNormalization()),
    "UnitNormalization": (STEPS, lambda: layers.UnitNormalization()),
    "SpectralNormalization": (IMAGE, lambda: layers.SpectralNormalization(layers.Conv2D(2, 3))),
    "Conv3D": (VOLUME, lambda: layers.Conv3D(2, 3)),
    "Conv3DTranspose": (VOLUME, lambda: layers.Conv3DTranspose(2, 3)),
    "MaxPooling3D": (VOLUME, lambda: layers.MaxPooling3D()),
    "AveragePooling3D": (VOLUME, lambda: layers.AveragePooling3D(2)),
    "GlobalMaxPooling3D": (VOLUME, lambda: layers.GlobalMaxPooling3D()),
    "GlobalAveragePooling3D": (VOLUME, lambda: layers.GlobalAveragePooling3D()),
    "ZeroPadding3D": (VOLUME, lambda: layers.ZeroPadding3D()),
    "Cropping3D": (VOLUME, lambda: layers.Cropping3D()),
    "UpSampling3D": (VOLUME, lambda: layers.UpSampling3D()),
    "SpatialDropout3D": (VOLUME, lambda: layers.SpatialDropout3D(0.5)),
    "RepeatVector": (FEATURES, lambda: layers.RepeatVector(3)),
    "EinsumDense": (STEPS, lambda: layers.EinsumDense("abc,cd->abd", (6, 3))),
    "Resizing": (IMAGE, lambda: layers.Resizing(4, 4)),
    "CenterCrop": (IMAGE, lambda: layers.CenterCrop(4, 4)),
    "AutoContrast": (IMAGE, lambda: layers.AutoContrast()),
    "CategoryEncoding": (FEATURES, lambda: layers.CategoryEncoding(4)),
    "Discretization": (FEATURES, lambda: layers.Discretization([0.0, 1.0])),
    "Hashing": (FEATURES, lambda: layers.Hashing(4)),
    "Lambda": (FEATURES, lambda: layers.Lambda(lambda x: x * 2)),
}


@pytest.mark.parametrize("class_name", LAYERS)
def test_layers(class_name):
    shape, make = LAYERS[class_name]
    layer = make()
    refused(
        sequential(shape, layers.Dropout(0.5), layer),
        f"^layer '{layer.name}': {class_name} is not supported; {re.escape(ADVICE[class_name])}$",
    )


def of_two(make):
    i = keras.Input(STEPS)
    return keras.Model(i, make()([i, layers.ReLU()(i)]))


@pytest.mark.parametrize("class_name", ["Average", "Minimum", "Dot", "Attention", "AdditiveAttention"])
def test_joins(class_name):
    make = (lambda: layers.Dot(1)) if class_name == "Dot" else getattr(layers, class_name)
    refused(of_two(make), rf"^layer '.*': {class_name} is not supported; {re.escape(ADVICE[class_name])}$")


def test_attention_to_itself():
    i = keras.Input(STEPS)
    refused(
        keras.Model(i, layers.MultiHeadAttention(2, 2, name="look")(i, i)),
        "^layer 'look': MultiHeadAttention is not supported; products of two activations",
    )


def test_layers_without_advice_are_refused_with_the_list_of_those_that_work():
    refused(
        sequential(IMAGE, layers.DepthwiseConv2D(3)),
        "^layer 'depthwise_conv2d': DepthwiseConv2D is not supported; supported are: Conv2D, MaxPooling2D, Dense, .*"
        "BatchNormalization, Activation, and what only training needs$",
    )


def test_unsupported_layer_in_a_nested_model_is_named():
    model = sequential((6,), sequential((6,), layers.LayerNormalization(name="inside"), name="outer"))
    refused(model, "^layer 'inside': LayerNormalization is not supported")


SETTINGS = {
    "layer 'conv2d': an activation 'gelu' is not supported; supported are: linear, relu, tanh,": (
        lambda: layers.Conv2D(2, 3, activation="gelu")
    ),
    "layer 'conv2d': an activation of your own is not supported": (
        lambda: layers.Conv2D(2, 3, activation=lambda x: x * 2)
    ),
    "layer 'activation': an activation 'selu' is not supported": lambda: layers.Activation("selu"),
    "layer 'max_pooling2d': data_format='channels_first' is not supported; use data_format='channels_last'": (
        lambda: layers.MaxPooling2D(2, data_format="channels_first")
    ),
    "layer 'batch_normalization': axis=1 is not supported on": lambda: layers.BatchNormalization(axis=1),
    **{
        f"layer 'conv2d': dtype='{dtype}' is not supported; build the model with dtype='float32'": (
            lambda dtype=dtype: layers.Conv2D(2, 3, dtype=dtype)
        )
        for dtype in ("float64", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16")
    },
    "layer 'dropout': dtype='float16' is not supported": lambda: layers.Dropout(0.5, dtype="float16"),
}


@pytest.mark.parametrize("text", SETTINGS)
def test_settings(text):
    refused(sequential(IMAGE, SETTINGS[text]()), "^" + re.escape(text))


def test_quantized_and_adapted_layers():
    model = sequential((6,), layers.Dense(3, name="a"))
    model.layers[0].enable_lora(2)
    refused(model, "^layer 'a': lora_rank is not supported; give the plain layer the float weights")
    model = sequential((6,), layers.Dense(3, name="a"))
    model.quantize("int8")
    refused(model, "^layer 'a': dtype='int8' is not supported")


INPUTS = {
    "sparse=True is not supported": {"sparse": True},
    "an input of string is not supported; turn it into numbers": {"dtype": "string"},
    "an input of bool is not supported; turn it into numbers": {"dtype": "bool"},
}


@pytest.mark.parametrize("text", INPUTS)
def test_inputs(text):
    i = keras.Input((6,), name="data", **INPUTS[text])
    refused(keras.Model(i, layers.Identity()(i)), f"^layer 'data': {text}")


@pytest.mark.parametrize("shape", [(None, 3), (4, None), (None,)])
def test_open_shapes(shape):
    refused(sequential(shape, layers.ReLU()), r"^model 'net': the input shape \(.*\) is not fixed; give keras.Input fi")


def test_training_at_inference():
    i = keras.Input((6,))
    refused(
        keras.Model(i, layers.Dropout(0.5)(i, training=True)),
        "^layer 'dropout': it is called with training=True, so it would change at random or learn; call it without$",
    )
    inner = sequential((6,), layers.ReLU(), layers.BatchNormalization(name="inside"), name="inner")
    refused(keras.Model(i, inner(i, training=True)), "^layer '.*': it is called with training=True")
    assert_read(keras.Model(i, inner(i, training=False)))


def test_masks():
    i, mask = keras.Input((6,)), keras.Input((6,), dtype="bool")
    model = keras.Model([i, mask], layers.Softmax(name="soft")(i, mask=layers.Identity()(mask)))
    refused(model, "^layer '(soft|input_layer_1)': ")


FUNCTIONS = {
    "layer 'add': Add of a tensor and a constant is not supported; use Rescaling": lambda x: x + 1.0,
    "layer 'multiply': Multiply of a tensor and a constant is not supported": lambda x: 2 * x,
    "layer 'true_divide': the function TrueDivide is not supported; of functions on tensors only": lambda x: x / x,
    "layer 'relu': the function Relu is not supported": lambda x: keras.ops.relu(x),
    "layer 'get_item': the function GetItem is not supported": lambda x: x[:, 1:],
    "layer 'mean': the function Mean is not supported": lambda x: keras.ops.mean(x, 1, keepdims=True),
    "layer 'minimum': the function Minimum is not supported": lambda x: keras.ops.minimum(x, x),
}


@pytest.mark.parametrize("text", FUNCTIONS)
def test_functions(tmp_path, text):
    i = keras.Input((6,))
    model = keras.Model(i, FUNCTIONS[text](layers.ReLU()(i)))
    refused(model, "^" + re.escape(text))
    model.save(tmp_path / "net.h5")
    refused(tmp_path / "net.h5", "^" + re.escape(text))


class Own(layers.Layer):
    def call(self, x):
        return x


class OwnWithArguments(Own):
    def __init__(self, size, **settings):
        super().__init__(**settings)


@keras.saving.register_keras_serializable("ours")
class Dense(layers.Dense):
    """Called as one of Keras's, and yet another."""


@pytest.mark.parametrize(
    "layer", [lambda: Own(name="x"), lambda: OwnWithArguments(3, name="x"), lambda: Dense(3, name="x")]
)
def test_layers_of_ones_own(layer):
    made = layer()
    inner = sequential((6,), made)
    text = f"^layer 'x': {type(made).__name__} is a class of your own; build the same of layers of keras.layers$"
    refused(inner, text)
    refused(sequential((6,), inner), text)


class OwnModel(keras.Model):
    def call(self, x):
        return x


class OwnSequential(keras.Sequential):
    pass


@pytest.mark.parametrize(
    "model", [OwnModel, OwnSequential, lambda: OwnModel(inputs=(i := keras.Input((3,))), outputs=i)]
)
def test_models_of_ones_own(model):
    refused(
        model(), r"^model '.*' is a Own.*; only Sequential and functional ones are read: build it with keras.Model\("
    )


def of_images(class_name):
    arguments = {"RandomCrop": (4, 4), "RandomTranslation": (0.2, 0.2), "RandomPosterization": (4,)}
    cls = getattr(layers, class_name)
    for tried in (arguments.get(class_name, ()), (0.2,)):
        try:
            return cls(*tried)
        except TypeError:
            continue
    raise AssertionError(class_name)


@pytest.mark.parametrize("class_name", NOTHING_AT_INFERENCE)
def test_layers_that_do_nothing_at_inference_are_dropped(class_name):
    shape = STEPS if class_name.endswith("1D") else (8, 8, 3)
    model = sequential(shape, of_images(class_name), layers.ReLU(name="left"))
    assert names_of(assert_read(model)) == ["left"]


def test_advice_is_given_for_nothing_that_works():
    assert not ADVICE.keys() & {*NOTHING_AT_INFERENCE, "Add", "Dense", "Activation"}
