"""Live Keras models, by what they say of themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import Refusal
from .frameworks import one_line
from .keras_config import FRAMEWORKS, Model, read_model
from .keras_weights import WeightsOf


def is_model(source: Any) -> bool:
    """Whether an object is a Keras model. Keras is not imported to tell: whoever has a model, has it imported."""
    return any(base.__name__ == "Model" and _package(base) in FRAMEWORKS for base in type(source).__mro__)


def read_live(source: Any) -> tuple[Model, WeightsOf]:
    """The model and its weights. Raises `Refusal` on layers that cannot say what they are."""
    config = _config(source) if _package(type(source)) in FRAMEWORKS else {}
    record = {
        "class_name": type(source).__name__,
        "module": type(source).__module__,
        "config": {"name": source.name, **config},
    }

    def weights_of(path: tuple[str, ...]) -> list[np.ndarray]:
        at = source
        for name in path:
            at = next((layer for layer in at.layers if layer.name == name), None)
        return [np.asarray(weight, np.float32) for weight in at.get_weights()] if at is not None else []

    return read_model(record, old=_package(type(source)) == "tf_keras"), weights_of


def _config(model: Any) -> dict[str, Any]:
    for layer in _layers_within(model):
        if _package(type(layer)) not in FRAMEWORKS:
            raise Refusal(
                f"layer '{layer.name}': {type(layer).__name__} is a class of your own; "
                "build the same of layers of keras.layers"
            )
    try:
        return model.get_config()
    except Exception as error:  # layers around functions of one's own may raise anything
        raise Refusal(f"model '{model.name}' cannot say what it is: {one_line(error)}") from None


def _package(cls: type) -> str:
    return cls.__module__.split(".")[0]


def _layers_within(model: Any) -> Iterator[Any]:
    for layer in model.layers:
        yield layer
        if is_model(layer):
            yield from _layers_within(layer)
