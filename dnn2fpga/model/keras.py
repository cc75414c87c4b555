"""The Keras front end: `.keras` files, `.h5` files and live models become a float graph.

Keras itself reads the files. It is imported only when a model is read.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..errors import Refusal
from .batch_norm import BatchNormalization
from .frameworks import import_keras
from .graph import Graph, Node
from .passes import check_names

NOTHING_AT_INFERENCE = (
    "Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianDropout", "GaussianNoise", "AlphaDropout",
    "ActivityRegularization", "Identity",
)  # fmt: skip
"""Keras layers that only matter in training."""


class Kind(Protocol):
    """What this front end reads of a row of the table of layer kinds."""

    @property
    def spec(self) -> Any:
        """The specification class, with `from_keras(config, weights) -> (spec, weights)`."""

    @property
    def keras(self) -> str | None:
        """The Keras layer class, as "Conv2D"."""

    @property
    def activation(self) -> str | None:
        """The Keras activation that this kind is, as "relu"."""


def from_keras(source: Any, kinds: Iterable[Kind]) -> Graph:
    """The float graph of a Keras model: a path to a `.keras` or `.h5` file, or a live `keras.Model`.

    `kinds` is the table of layer kinds. An activation that is an argument of a layer becomes a node of its
    own, `<layer>_<activation>`; layers that do nothing at inference are dropped; nested models are flattened.
    Raises `Refusal` on a file that cannot be read, and, naming the layer, on a model that is not a chain of
    supported layers with a fixed input shape.
    """
    keras = import_keras("reading Keras models")
    model = _load(keras, Path(source)) if isinstance(source, str | os.PathLike) else source
    if not isinstance(model, keras.Model):
        raise Refusal(f"a model must be a path or a keras.Model, not {type(model).__name__}")
    reader = _Reader(keras, kinds)
    nodes = tuple(reader.model(model))
    check_names(nodes)
    graph = Graph(model.name, _input_shape(model), nodes)
    list(graph.walk())  # refuses a layer that does not fit
    return graph


def _load(keras: Any, path: Path) -> Any:
    if path.suffix not in (".keras", ".h5"):
        raise Refusal(f"{path}: a Keras model must be a .keras or .h5 file; save it with model.save('model.keras')")
    if not path.is_file():
        raise Refusal(f"{path}: no such file")
    # Keras takes what is no zip archive for a folder or an older format, and says so at length
    if path.suffix == ".keras" and not zipfile.is_zipfile(path):
        raise Refusal(f"{path}: is cut off, or not a .keras file; save the model again")
    try:
        return keras.models.load_model(path, compile=False)
    except Exception as error:  # Keras raises whatever its many readers happen to raise
        raise Refusal(f"{path}: Keras cannot load it: {_one_line(error)}") from None


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:200] + "…"


def _input_shape(model: Any) -> tuple[int, ...]:
    shape = tuple(model.inputs[0].shape[1:])
    if None in shape:
        raise Refusal(f"model '{model.name}': the input shape {shape} is not fixed; give keras.Input fixed sizes")
    return shape


class _Reader:
    """Turns Keras layers into nodes, by the tables of one call."""

    def __init__(self, keras: Any, kinds: Iterable[Kind]) -> None:
        self.keras = keras
        kinds = tuple(kinds)
        self.layers = {kind.keras: kind.spec for kind in kinds if kind.keras}
        self.layers["BatchNormalization"] = BatchNormalization
        self.activations = {kind.activation: kind.spec for kind in kinds if kind.activation}

    def model(self, model: Any) -> Iterator[Node]:
        """The nodes of a model, in order."""
        for layer in _chain(self.keras, model):
            if isinstance(layer, self.keras.Model):
                yield from self.model(layer)
                continue
            try:
                yield from self.layer(layer)
            except Refusal as refusal:
                raise Refusal(f"layer '{layer.name}': {refusal}") from None

    def layer(self, layer: Any) -> Iterator[Node]:
        """The nodes of one layer: none, itself, or itself and its activation."""
        keras_name = type(layer).__name__
        if keras_name == "InputLayer" or keras_name in NOTHING_AT_INFERENCE:
            return
        if keras_name == "Activation":
            yield from self.activation(layer.name, layer.get_config()["activation"])
            return
        if keras_name not in self.layers:
            supported = ", ".join([*self.layers, "Activation", *NOTHING_AT_INFERENCE])
            raise Refusal(f"{keras_name} is not supported; supported are: {supported}")
        config = layer.get_config()
        weights = [np.asarray(weight, np.float32) for weight in layer.get_weights()]
        spec, named = self.layers[keras_name].from_keras(config, weights)
        yield Node(layer.name, spec, named)
        activation = config.get("activation")
        name = activation if isinstance(activation, str) else "activation"
        yield from self.activation(f"{layer.name}_{name}", activation)

    def activation(self, name: str, activation: Any) -> Iterator[Node]:
        """The node of a Keras activation; none for the identity."""
        if activation in (None, "linear"):
            return
        if not isinstance(activation, str) or activation not in self.activations:
            what = repr(activation) if isinstance(activation, str) else "of your own"
            supported = ", ".join(["linear", *self.activations])
            raise Refusal(f"an activation {what} is not supported; supported are: {supported}")
        spec, named = self.activations[activation].from_keras({}, [])
        yield Node(name, spec, named)


def _chain(keras: Any, model: Any) -> list[Any]:
    """The layers of a model in order. Raises `Refusal`, naming the layer, where they form no chain."""
    if isinstance(model, keras.Sequential):
        if not model.built:
            raise Refusal(f"model '{model.name}' has no input shape yet; put keras.Input(shape) first")
        return list(model.layers)
    if not isinstance(model, keras.Function):
        raise Refusal(f"model '{model.name}' is a {type(model).__name__}; only Sequential and functional ones are read")
    for what, tensors in (("inputs", model.inputs), ("outputs", model.outputs)):
        if len(tensors) != 1:
            raise Refusal(f"model '{model.name}' has {len(tensors)} {what}; only models with one are supported")
    before: str | None = None
    for layer in model.get_config()["layers"]:
        sources = list(_sources(layer["inbound_nodes"]))
        if sources != ([before] if before else []):
            fed = " and ".join(f"'{source}'" for source in sources)
            raise Refusal(
                f"layer '{layer['name']}' takes {fed}, not the one layer before it, '{before}'; "
                "only chains of layers, each used once, are supported"
            )
        before = layer["name"]
    return list(model.operations)


def _sources(inbound: Any) -> Iterator[str]:
    """The names of the layers whose tensors occur in Keras's serialized `inbound_nodes`."""
    if isinstance(inbound, dict):
        if inbound.get("class_name") == "__keras_tensor__":
            yield inbound["config"]["keras_history"][0]
        else:
            inbound = list(inbound.values())
    if isinstance(inbound, list | tuple):
        for part in inbound:
            yield from _sources(part)
