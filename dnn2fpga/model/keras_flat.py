"""Models within models, and layers called several times, as one list of steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import Refusal
from .keras_config import Call, Layer, Model, Tensor


@dataclass(frozen=True)
class Step:
    """One call of one layer.

    `name` is the layer's, with a number from its second call on; `path` the names of the models around it and its own;
    `inputs` are the names of the steps that it reads.
    """

    name: str
    layer: Layer
    path: tuple[str, ...]
    call: Call
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Steps:
    """All that a model's outputs need, each step behind those that it reads.

    `inputs` are the model's own, needed or not, in its order, `outputs` the names of the steps that it gives.
    """

    inputs: tuple[Step, ...]
    steps: tuple[Step, ...]
    outputs: tuple[str, ...]


def flatten(model: Model) -> Steps:
    """The steps of a model. Raises `Refusal` where its layers do not fit together."""
    flat = _Flat(model)
    inputs = []
    for tensor in model.inputs:
        layer = flat.layer(model, tensor)
        inputs.append(Step(flat.unique(layer.name), layer, (layer.name,), Call(), ()))
    outputs = flat.model(model, (), [step.name for step in inputs])
    needed, steps = set(outputs), []
    for step in reversed(flat.steps):
        if step.name in needed:
            needed.update(step.inputs)
            steps.append(step)
    return Steps(tuple(inputs), tuple(reversed(steps)), tuple(outputs))


class _Flat:
    """The steps found so far."""

    def __init__(self, model: Model) -> None:
        self.steps: list[Step] = []
        self.own_names = set(_names(model))  # a second call takes no other layer's name
        self.taken: set[str] = set()

    def unique(self, name: str) -> str:
        """The name, with a number if it is taken. Keras 2 allowed slashes, which hold apart files and folders."""
        name = found = name.replace("/", "_")
        number = 0
        while found in self.taken or (number and found in self.own_names):
            number += 1
            found = f"{name}_{number}"
        self.taken.add(found)
        return found

    def layer(self, model: Model, tensor: Tensor) -> Layer:
        """The layer that gives a tensor."""
        for layer in model.layers:
            if layer.name == tensor.layer:
                return layer
        raise Refusal(f"model '{model.name}': a layer '{tensor.layer}' is spoken of, but there is none")

    def model(
        self, model: Model, path: tuple[str, ...], arguments: Sequence[str], training: tuple[Any, ...] = ()
    ) -> list[str]:
        """Add a model's steps, called on the steps `arguments`; the names of those that give its outputs.

        The argument `training` of a call reaches all layers of a model.
        """
        if len(arguments) != len(model.inputs):
            raise Refusal(f"model '{model.name}' takes {len(model.inputs)} tensors, but is called on {len(arguments)}")
        values = {(tensor.layer, tensor.call): [given] for tensor, given in zip(model.inputs, arguments, strict=True)}

        def value(tensor: Tensor) -> str:
            given = values[tensor.layer, tensor.call]
            if not 0 <= tensor.index < len(given):
                raise Refusal(f"layer '{tensor.layer}' gives several tensors; only layers that give one are supported")
            return given[tensor.index]

        for layer, number in self.order(model):
            call = layer.calls[number]
            if training:
                call = replace(call, named={"training": training, **call.named})
            inputs = tuple(value(tensor) for tensor in call.tensors)
            inside = (*path, layer.name)
            if layer.model is not None:
                mode = call.named.get("training", training)
                values[layer.name, number] = self.model(layer.model, inside, inputs, mode)
            else:
                step = Step(self.unique(layer.name), layer, inside, call, inputs)
                self.steps.append(step)
                values[layer.name, number] = [step.name]
        return [value(tensor) for tensor in model.outputs]

    def order(self, model: Model) -> Iterator[tuple[Layer, int]]:
        """The calls that the outputs need, each behind those that it reads. Networks may be deeper than Python."""
        layers = {layer.name: layer for layer in model.layers}
        done = {(tensor.layer, tensor.call) for tensor in model.inputs}
        begun = set()
        waiting = [(tensor.layer, tensor.call) for tensor in reversed(model.outputs)]
        while waiting:
            name, number = key = waiting[-1]
            if key in done:
                waiting.pop()
                continue
            if name not in layers or not 0 <= number < len(layers[name].calls):
                raise Refusal(f"model '{model.name}': call {number} of layer '{name}' is spoken of, but there is none")
            sources = [(tensor.layer, tensor.call) for tensor in layers[name].calls[number].tensors]
            missing = [source for source in sources if source not in done]
            if not missing:
                done.add(key)
                waiting.pop()
                yield layers[name], number
            elif key in begun:
                raise Refusal(f"layer '{name}' reads what it gives itself; only models without loops are supported")
            else:
                begun.add(key)
                waiting.extend(reversed(missing))


def _names(model: Model) -> Iterator[str]:
    for layer in model.layers:
        yield layer.name.replace("/", "_")
        if layer.model is not None:
            yield from _names(layer.model)
