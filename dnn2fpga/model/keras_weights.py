"""Weights of Keras models, from the two layouts of HDF5 files that Keras has had."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import Refusal
from .keras_config import Model

WeightsOf = Callable[[tuple[str, ...]], list[np.ndarray]]
"""The float32 weights, in Keras's order, of the layer at a path of names: those of the models around it, its own."""


def weights_in(group: Any, model: Model) -> WeightsOf:
    """The weights in an HDF5 group of Keras 2's layout (layers by name) or Keras 3's (by class and number)."""
    if _attribute(group, "layer_names"):
        return lambda path: _by_name(group, path)
    if "layers" in group:
        return lambda path: _by_class(group, model, path)
    raise Refusal("it holds no weights of a Keras model; write them with model.save_weights('model.weights.h5')")


def _by_name(group: Any, path: tuple[str, ...]) -> list[np.ndarray]:
    """A group for each outer layer, whose attribute `weight_names` lists what is in it and in the layers within."""
    outer, *inner = path
    if outer not in group:
        raise Refusal("the file holds no weights of it; save the architecture and the weights from one model")
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


def _by_class(group: Any, model: Model, path: tuple[str, ...]) -> list[np.ndarray]:
    """`layers/<class>_<number>/vars/<index>`, and so on within models, which lie at the same paths."""
    inside: Model | None = model
    for name in path:
        assert inside is not None
        counts: dict[str, int] = {}
        for layer in inside.layers:
            if layer.operation:
                continue
            key = snake_case(layer.class_name)
            counts[key] = counts.get(key, -1) + 1
            if layer.name == name:
                folder = f"layers/{key}_{counts[key]}" if counts[key] else f"layers/{key}"
                if folder not in group:
                    raise Refusal(f"the file holds no {folder}; save the architecture and the weights from one model")
                group, inside = group[folder], layer.model
                break
    values = group["vars"] if "vars" in group else {}
    return [_array(values[str(index)]) for index in range(len(values))]


def snake_case(name: str) -> str:
    """A class name as Keras writes it in paths: "DepthwiseConv2D" is "depthwise_conv2d"."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _array(dataset: Any) -> np.ndarray:
    return np.asarray(dataset[()], np.float32)
