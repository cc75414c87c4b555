"""What of Keras is not supported, and what to do instead."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ..errors import Refusal
from .keras_config import Layer, Tensor
from .keras_flat import Step

_STATE = "layers with a state from step to step are not built; use Conv1D over the whole window"
_ATTENTION = "products of two activations are built value by value only (Multiply); use convolutions or Dense layers"
_STATISTICS = "statistics of each input are not built; use BatchNormalization, whose statistics are fixed by training"
_VOLUME = "images have two dimensions here; use the 2D layer, with the depth among the channels"
_BEFORE = "do it to the data, before they reach the model"
_LOOKUP = "look it up before, and let the model begin with its result"
_OTHER_FRAMEWORK = "build the same of layers of keras.layers, and copy the weights with set_weights"

ADVICE = {
    **dict.fromkeys(
        ("LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional", "StackedRNNCells", "LSTMCell", "GRUCell", "SimpleRNNCell",
         "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "CuDNNLSTM", "CuDNNGRU"), _STATE),
    **dict.fromkeys(
        ("Attention", "AdditiveAttention", "MultiHeadAttention", "GroupedQueryAttention", "GroupQueryAttention",
         "Dot"), _ATTENTION),
    **dict.fromkeys(
        ("LayerNormalization", "GroupNormalization", "RMSNormalization", "UnitNormalization"), _STATISTICS),
    **dict.fromkeys(
        ("Conv3D", "Conv3DTranspose", "MaxPooling3D", "AveragePooling3D", "GlobalMaxPooling3D",
         "GlobalAveragePooling3D", "AdaptiveAveragePooling3D", "AdaptiveMaxPooling3D", "ZeroPadding3D", "Cropping3D",
         "UpSampling3D", "SpatialDropout3D"), _VOLUME),
    **dict.fromkeys(
        ("Resizing", "MelSpectrogram", "STFTSpectrogram", "AutoContrast", "RandomCrop", "CategoryEncoding",
         "Equalization", "MaxNumBoundingBoxes", "Solarization",
         "ContrastLimitedAdaptiveHistogramEqualization"), _BEFORE),
    **dict.fromkeys(
        ("Embedding", "ReversibleEmbedding", "Discretization", "Hashing", "HashedCrossing", "IntegerLookup",
         "StringLookup", "TextVectorization"), _LOOKUP),
    **dict.fromkeys(("TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"), _OTHER_FRAMEWORK),
    **dict.fromkeys(
        ("AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D", "AdaptiveMaxPooling1D", "AdaptiveMaxPooling2D"),
        "use the pooling layer without Adaptive, with the pool_size that gives the output_size"),
    "Average": "use Add, and then Rescaling(1 / inputs)",
    "CenterCrop": "use Cropping2D",
    "EinsumDense": "use Dense, which works on the last axis",
    "Lambda": "functions are not read; use layers of keras.layers (Add, Multiply, Rescaling, ReLU, …)",
    "LocallyConnected1D": "use Conv1D, which has one kernel for all places",
    "LocallyConnected2D": "use Conv2D, which has one kernel for all places",
    "Masking": "every step counts here; leave it out, and train with padded sequences",
    "Minimum": "use Maximum between two Rescaling(-1) before it and one behind it",
    "Pipeline": "call its layers one after another in the model",
    "RepeatVector": "use Reshape((1, features)) and UpSampling1D(n)",
    "SpectralNormalization": "use the layer in it, `layer.layer`, which training has left normalized",
    "ThresholdedReLU": "use ReLU(threshold=theta)",
    "TimeDistributed": "use the layer in it: Dense works on the last axis, and Conv2D with kernel (1, n) on each row",
}  # fmt: skip
"""What to use instead of a layer of Keras."""

_OPERATIONS = ("Add", "Subtract", "Multiply", "Maximum")
_OPERATION = (
    "of functions on tensors only +, −, · and maximum of two tensors are read; use the layer of keras.layers that does "
    "the same"
)


def check_supported(step: Step, supported: Collection[str], idle: Collection[str]) -> None:
    """Refuse a layer, or a way to call it, that is not supported.

    `supported` are the class names of the layers that are, `idle` of those that do nothing at inference.
    """
    layer = step.layer
    if layer.own:
        raise Refusal(f"{layer.class_name} is a class of your own; build the same of layers of keras.layers")
    if layer.operation:
        if layer.class_name not in _OPERATIONS or layer.class_name not in supported:
            raise Refusal(f"the function {layer.class_name} is not supported; {_OPERATION}")
        if len(step.call.arguments) != 2 or len(step.inputs) != 2:
            raise Refusal(f"{layer.class_name} of a tensor and a constant is not supported; use Rescaling")
    elif layer.class_name not in supported and layer.class_name not in idle:
        advice = ADVICE.get(layer.class_name) or f"supported are: {', '.join(supported)}, and what only training needs"
        raise Refusal(f"{layer.class_name} is not supported; {advice}")
    _check_call(step.call.named)
    _check_options(layer.config)


def check_input(layer: Layer) -> None:
    """Refuse an input that no numbers, or not all of them, arrive at."""
    for option in ("sparse", "ragged"):
        if layer.config.get(option):
            raise Refusal(f"{option}=True is not supported; give keras.Input a dense tensor of a fixed shape")
    dtype = policy(layer.config.get("dtype"))
    if dtype in ("string", "bool") or dtype.startswith("complex"):
        raise Refusal(f"an input of {dtype} is not supported; turn it into numbers before, and use dtype='float32'")


def _check_call(named: Mapping[str, tuple[Any, ...]]) -> None:
    if True in named.get("training", ()):
        raise Refusal("it is called with training=True, so it would change at random or learn; call it without")
    for key, values in named.items():
        if key.endswith("mask") and any(isinstance(value, Tensor) for value in values):
            raise Refusal(f"it is called with {key}=…; masks are not supported: leave it out, every value counts")


def _check_options(config: Mapping[str, Any]) -> None:
    """Options that many layers share."""
    if policy(config.get("dtype")) != "float32":
        raise Refusal(
            f"dtype={policy(config['dtype'])!r} is not supported; build the model with dtype='float32' and copy the "
            "weights with set_weights: widths are chosen when it is quantized here"
        )
    if config.get("data_format") == "channels_first":
        raise Refusal("data_format='channels_first' is not supported; use data_format='channels_last'")
    for option in ("lora_rank", "quantization_config"):
        if config.get(option):
            raise Refusal(f"{option} is not supported; give the plain layer the float weights that it stands for")


def policy(dtype: Any) -> str:
    """The name of a data type or policy: Keras 2 writes "float32", Keras 3 a record. None is "float32"."""
    if isinstance(dtype, dict):
        config = dtype.get("config", {})
        return str(config.get("name") or config.get("mode") or dtype.get("class_name"))
    return str(dtype or "float32")
