"""Keras's serialized models, of Keras 2 and 3, as plain records: every model is read from these.

A record is `{"class_name": …, "config": {…}, "inbound_nodes": […]}`, as files hold it and as `get_config()` gives it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from ..errors import Refusal
from .keras2 import modern

FRAMEWORKS = ("keras", "tf_keras", "tensorflow")
"""Where the classes of Keras's own layers live."""


@dataclass(frozen=True)
class Tensor:
    """What a layer gave: output `index` of its call number `call`, both from 0."""

    layer: str
    call: int = 0
    index: int = 0


@dataclass(frozen=True)
class Call:
    """The arguments of one call, in order, lists and dictionaries taken apart: tensors and constants."""

    positional: tuple[Any, ...] = ()
    named: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    @property
    def arguments(self) -> tuple[Any, ...]:
        """All arguments."""
        return (*self.positional, *(value for values in self.named.values() for value in values))

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Those of them that are tensors."""
        return tuple(value for value in self.arguments if isinstance(value, Tensor))


@dataclass(frozen=True)
class Layer:
    """A layer, an operation, or a model as a layer of another.

    `own` marks classes that are none of Keras's, `operation` functions of `keras.ops` called on tensors of a model.
    """

    name: str
    class_name: str
    config: Mapping[str, Any]
    calls: tuple[Call, ...] = ()
    own: bool = False
    operation: bool = False
    model: Model | None = None


@dataclass(frozen=True)
class Model:
    """Layers that call one another. Inputs and outputs are in the order of `model.inputs` and `model.outputs`."""

    name: str
    layers: tuple[Layer, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


def read_model(record: Mapping[str, Any], *, old: bool) -> Model:
    """The model of a record; `old` is what Keras 2 wrote. Raises `Refusal` on what is no Sequential or functional one.

    Damaged records raise whatever Python does.
    """
    class_name, config = record["class_name"], record["config"]
    if class_name == "Sequential" and not _is_own(record):
        return _sequential(config, old)
    name = config.get("name", class_name)
    if class_name not in ("Functional", "Model") or "input_layers" not in config or _is_own(record):
        raise Refusal(
            f"model '{name}' is a {class_name}; only Sequential and functional ones are read: "
            "build it with keras.Model(inputs, outputs)"
        )
    layers = tuple(_layer(part, old) for part in config["layers"])
    inputs, outputs = (tuple(_tensors(config[key])) for key in ("input_layers", "output_layers"))
    return _counted_from_0(Model(name, layers, inputs, outputs), _written_by_keras_2(config["layers"]))


def input_shape(layer: Layer) -> tuple[int | None, ...] | None:
    """The shape with the batch that a layer says its input has, None if it says none."""
    if layer.model is not None:
        [first, *_] = layer.model.inputs
        return next(input_shape(part) for part in layer.model.layers if part.name == first.layer)
    shape = layer.config.get("batch_shape") or layer.config.get("batch_input_shape")
    return tuple(shape) if shape else None


def _sequential(config: Any, old: bool) -> Model:
    """A chain, with an input layer before it if it has none."""
    if isinstance(config, list):  # as the first versions of Keras 2 wrote it
        config = {"name": "sequential", "layers": config}
    layers = [_layer(part, old) for part in config["layers"]]
    if not layers or layers[0].class_name != "InputLayer":
        shape = config.get("build_input_shape") or (input_shape(layers[0]) if layers else None)
        layers.insert(0, Layer("/first", "InputLayer", {"batch_shape": shape}))
    chain = layers[:1]
    for before, layer in pairwise(layers):
        chain.append(replace(layer, calls=(Call((Tensor(before.name),)),)))
    return Model(config["name"], tuple(chain), (Tensor(chain[0].name),), (Tensor(chain[-1].name),))


def _layer(record: Mapping[str, Any], old: bool) -> Layer:
    config, class_name = record["config"], record["class_name"]
    is_model = class_name in ("Sequential", "Functional", "Model")
    name = record.get("name") or (config.get("name", class_name) if isinstance(config, dict) else "sequential")
    operation = not is_model and _is_operation(record, old)
    layer = Layer(
        name,
        class_name,
        config,
        tuple(_call(node) for node in record.get("inbound_nodes", ())),
        _is_own(record),
        operation,
    )
    if is_model:
        return replace(layer, model=read_model(record, old=old))
    if not old:
        return layer
    try:
        return replace(layer, **modern(class_name, config))
    except Refusal as refusal:
        raise Refusal(f"layer '{name}': {refusal}") from None


def _is_own(record: Mapping[str, Any]) -> bool:
    """Whether a class is none of Keras's. Old files do not tell."""
    module = record.get("module")
    registered = f"{record.get('registered_name')} {record['class_name']}"
    return ">" in registered or (module is not None and module.split(".")[0] not in FRAMEWORKS)


def _is_operation(record: Mapping[str, Any], old: bool) -> bool:
    """Whether Keras 3 wrote of a function, not of a layer. Its `.h5` files give layers alone a `trainable`."""
    module = record.get("module")
    if module is None:
        return not old and "trainable" not in record["config"] and record["class_name"] != "InputLayer"
    return module.startswith("keras.src.") and not module.startswith(("keras.src.layers", "keras.src.models"))


def _call(node: Any) -> Call:
    """A call of a layer, from one of its `inbound_nodes`."""
    if isinstance(node, dict) and "args" in node:
        named = {key: tuple(_leaves(value)) for key, value in node["kwargs"].items()}
        return Call(tuple(_leaves(node["args"])), named)
    named = {}
    for _, _, _, *more in _old_tensors(node):
        named.update(more[0] if more else {})
    positional = tuple(value for entry in _old_tensors(node) for value in _old_value(entry))
    return Call(positional, {key: tuple(_old_value(value)) for key, value in named.items() if key != "name"})


def _leaves(value: Any) -> Iterator[Any]:
    """The tensors and constants in Keras 3's arguments; None is no argument."""
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        yield Tensor(*value["config"]["keras_history"])
    elif isinstance(value, dict) and "class_name" not in value:
        for key in sorted(value):
            yield from _leaves(value[key])
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _leaves(part)
    elif value is not None:
        yield value


def _old_tensors(node: Any) -> Iterator[list[Any]]:
    """The `[layer, call, index, keywords]` in what Keras 2 wrote of a call."""
    if _is_old_tensor(node):
        yield node
    elif isinstance(node, list | dict):
        for part in node if isinstance(node, list) else (node[key] for key in sorted(node)):
            yield from _old_tensors(part)


def _old_value(value: Any) -> Iterator[Any]:
    """The tensors and constants in Keras 2's arguments; None is no argument."""
    if _is_old_tensor(value):
        name, call, index = value[:3]
        yield index if name == "_CONSTANT_VALUE" else Tensor(name, call, index)
    elif isinstance(value, list):
        for part in value:
            yield from _old_value(part)
    elif value is not None:
        yield value


def _is_old_tensor(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and all(isinstance(number, int) for number in (value[1:2] if value[0] == "_CONSTANT_VALUE" else value[1:3]))
    )


def _tensors(structure: Any) -> Iterator[Tensor]:
    """The tensors in `input_layers` or `output_layers`, in Keras's order: dictionaries by their sorted keys."""
    for name, call, index, *_ in _old_tensors(structure):
        yield Tensor(name, call, index)


def _written_by_keras_2(layers: list[Mapping[str, Any]]) -> bool:
    nodes = [node for layer in layers for node in layer.get("inbound_nodes", ())]
    return not any(isinstance(node, dict) and "args" in node for node in nodes)


def _counted_from_0(model: Model, old: bool) -> Model:
    """The model with the calls of models within it counted from 0.

    Call 0 of a model is its own making where Keras 2 wrote, if it had an input shape by then, and in
    the list of outputs where Keras 3 wrote, if it is functional.
    """
    inner = {layer.name: layer for layer in model.layers if layer.model is not None}
    if not inner:
        return model
    used = [tensor for layer in model.layers for call in layer.calls for tensor in call.tensors] + [*model.outputs]
    first = {name: min((tensor.call for tensor in used if tensor.layer == name), default=0) for name in inner}

    def shifted(value: Any, by: Mapping[str, int]) -> Any:
        return replace(value, call=value.call - by.get(value.layer, 0)) if isinstance(value, Tensor) else value

    if not old:
        functional = {name: int(layer.class_name != "Sequential") for name, layer in inner.items()}
        return replace(model, outputs=tuple(shifted(tensor, functional) for tensor in model.outputs))
    layers = []
    for layer in model.layers:
        calls = [
            Call(
                tuple(shifted(value, first) for value in call.positional),
                {key: tuple(shifted(value, first) for value in values) for key, values in call.named.items()},
            )
            for call in layer.calls
        ]
        layers.append(replace(layer, calls=tuple(calls)))
    return replace(model, layers=tuple(layers), outputs=tuple(shifted(tensor, first) for tensor in model.outputs))
