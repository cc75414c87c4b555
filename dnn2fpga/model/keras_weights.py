"""Weights of Keras models, from the two layouts of HDF5 files that Keras has had."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ..errors import Refusal
from .keras_config import Layer, Model

WeightsOf = Callable[[tuple[str, ...]], list[np.ndarray]]
"""The float32 weights, in Keras's order, of the layer at a path of names: those of the models around it, its own."""


def weights_in(group: Any, model: Model, *, old: bool) -> WeightsOf:
    """The weights in an HDF5 group of Keras 2's layout (layers by name) or Keras 3's (by class and number).

    `old` is what Keras 2 wrote, late versions of it in the newer layout. Raises `Refusal` if it is neither.
    """
    if _attribute(group, "layer_names"):
        return lambda path: _by_name(group, path)
    if "layers" in group:
        return _by_class(group, model, old)
    raise Refusal("it holds no weights of a Keras model; write them with model.save_weights('model.weights.h5')")


def _by_name(group: Any, path: tuple[str, ...]) -> list[np.ndarray]:
    """A group for each outer layer, whose attribute `weight_names` lists what is in it and in the layers within."""
    outer, *inner = path
    if outer not in group:
        return []  # functions on tensors have none, and no group; any other layer finds its weights missing
    names = _attribute(group[outer], "weight_names")
    if inner:
        folders = {name.rpartition("/")[0] for name in names}
        found = [folder for folder in folders if f"/{folder}".endswith(f"/{inner[-1]}")]
        if len(found) > 1:
            raise Refusal("its weights in the file cannot be told from another layer's; give each layer its own name")
        names = [name for name in names if [name.rpartition("/")[0]] == found]
    return [_array(group[outer][name]) for name in names]


def _attribute(group: Any, name: str) -> list[str]:
    """A list of names; where it is long, it is in parts `name0`, `name1`, …"""
    parts = [name] if name in group.attrs else [f"{name}{part}" for part in range(len(group.attrs))]
    found = [text for part in parts if part in group.attrs for text in group.attrs[part]]
    return [text.decode() if isinstance(text, bytes) else str(text) for text in found]


def _by_class(group: Any, model: Model, old: bool) -> WeightsOf:
    """`layers/<class>_<number>/vars/<index>`, and so on within models.

    A layer that two models share is at the first of its places. Keras 2 counts the other places as if it were not
    there; whether layers of the same name and settings are one, its files do not say.
    """
    places = dict(_places(model, (), ""))
    elsewhere = {}
    for path, (folder, layer) in places.items():
        others = [other for at, (other, twin) in places.items() if at != path and _alike(layer, twin)]
        if others and old:
            raise Refusal(
                f"layer '{layer.name}' is in two models, and its weights cannot be told apart in this format; "
                "save the model as .h5, or give each layer its own name"
            )
        found = [other for other in others if other in group]
        if folder not in group:
            elsewhere[path] = found[0] if len(found) == 1 else None

    def weights_of(path: tuple[str, ...]) -> list[np.ndarray]:
        folder = elsewhere.get(path, places[path][0])
        if folder is None:
            raise Refusal(f"the file holds no {places[path][0]}; save the architecture and the weights from one model")
        values = group[folder].get("vars", {})
        return [_array(values[str(index)]) for index in range(len(values))]

    return weights_of


def _places(model: Model, path: tuple[str, ...], folder: str) -> Iterator[tuple[tuple[str, ...], tuple[str, Layer]]]:
    """The path of each layer, with its folder in Keras 3's layout and itself."""
    counts: dict[str, int] = {}
    for layer in model.layers:
        if layer.operation:
            continue
        name = snake_case(layer.class_name)
        counts[name] = counts.get(name, -1) + 1
        inside = f"{folder}layers/{name}_{counts[name]}" if counts[name] else f"{folder}layers/{name}"
        yield (*path, layer.name), (inside, layer)
        if layer.model is not None:
            yield from _places(layer.model, (*path, layer.name), f"{inside}/")


def _alike(layer: Layer, other: Layer) -> bool:
    return layer.name == other.name and _without_ids(layer.config) == _without_ids(other.config)


def _without_ids(value: Any) -> Any:
    """Settings without the numbers by which Keras marks what is in a file twice."""
    if isinstance(value, Mapping):
        return {key: _without_ids(part) for key, part in value.items() if key != "shared_object_id"}
    return [_without_ids(part) for part in value] if isinstance(value, list | tuple) else value


def snake_case(name: str) -> str:
    """A class name as Keras writes it in paths: "DepthwiseConv2D" is "depthwise_conv2d"."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _array(dataset: Any) -> np.ndarray:
    return np.asarray(dataset[()], np.float32)
