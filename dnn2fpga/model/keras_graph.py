"""From the steps of a Keras model to a graph of our own layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from ..errors import Refusal
from .batch_norm import BatchNormalization
from .graph import INPUT, Graph, Node, Shape, Weights
from .keras_config import Layer, Model, input_shape
from .keras_flat import Step, flatten
from .keras_refusals import check_input, check_supported
from .keras_weights import WeightsOf
from .passes import check_names

NOTHING_AT_INFERENCE = (
    "ActivityRegularization", "AlphaDropout", "AugMix", "CutMix", "Dropout", "GaussianDropout", "GaussianNoise",
    "Identity", "MixUp", "RandAugment", "RandomBrightness", "RandomColorDegeneration", "RandomColorJitter",
    "RandomContrast", "RandomElasticTransform", "RandomErasing", "RandomFlip", "RandomGaussianBlur", "RandomGrayscale",
    "RandomHue", "RandomInvert", "RandomPerspective", "RandomPosterization", "RandomRotation", "RandomSaturation",
    "RandomSharpness", "RandomShear", "RandomTranslation", "RandomZoom", "SpatialDropout1D", "SpatialDropout2D",
)  # fmt: skip
"""Keras layers that only matter in training."""

Part = tuple[str, Any, Weights]
"""A layer of our own that a Keras layer becomes, or its part: the end of its name, its specification, its weights."""

Lowering = Callable[[dict[str, Any], list[np.ndarray]], list[Part]]
"""From a Keras layer's configuration and weights to its parts in order."""


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


class Reader:
    """Turns Keras models into graphs, by the tables of one call."""

    def __init__(self, kinds: Iterable[Kind], lowered: Mapping[str, Lowering]) -> None:
        kinds = tuple(kinds)
        self.lowered = lowered
        self.layers = {kind.keras: kind.spec for kind in kinds if kind.keras}
        self.layers["BatchNormalization"] = BatchNormalization
        self.activations = {kind.activation: kind.spec for kind in kinds if kind.activation}
        self.specs = {kind.spec.kind: kind.spec for kind in kinds}
        self.supported = tuple(dict.fromkeys([*self.layers, *lowered, "Activation"]))

    def graph(self, model: Model, weights_of: WeightsOf) -> Graph:
        """The graph of a model. Raises `Refusal`, naming the layer, before it reads any weights if it can."""
        found = flatten(model)
        shapes = [_fixed_shape(model, step.layer) for step in found.inputs]
        for step in found.steps:
            with_name(step, lambda step: check_supported(step, self.supported, NOTHING_AT_INFERENCE))
        nodes, given = self._inputs(found.inputs, shapes)
        for step in found.steps:
            inputs = tuple(given[name] for name in step.inputs)
            for suffix, spec, weights in with_name(step, lambda step: self.parts(step.layer, step.path, weights_of)):
                nodes.append(Node(step.name + suffix, spec, weights, inputs))
                inputs = (nodes[-1].name,)
            [given[step.name]] = inputs
        outputs = tuple(given[name] for name in found.outputs)
        if len(outputs) > 1:
            taken = {node.name for node in nodes}
            name = next(name for name in ("outputs", *map("outputs_{}".format, range(len(taken)))) if name not in taken)
            nodes.append(Node(name, self._spec("pack", f"{len(outputs)} outputs")(), {}, outputs))
        elif outputs == (INPUT,):
            raise Refusal(f"model '{model.name}' gives its input back; nothing in it is left to build")
        check_names(nodes)
        [packed] = shapes if len(shapes) == 1 else [(sum(map(math.prod, shapes)),)]
        read = {*outputs, *(name for node in nodes for name in node.inputs)}
        graph = Graph(model.name, packed, tuple(node for node in nodes if node.name in read or node is nodes[-1]))
        list(graph.walk())  # refuses a layer that does not fit
        return graph

    def _inputs(self, steps: tuple[Step, ...], shapes: list[Shape]) -> tuple[list[Node], dict[str, str]]:
        """What stands at the start, and the names of the nodes that give each input."""
        if len(steps) == 1:
            return [], {steps[0].name: INPUT}
        cut = self._spec("slice", f"{len(steps)} inputs")
        starts = [sum(map(math.prod, shapes[:index])) for index in range(len(shapes))]
        nodes = [
            Node(step.name, cut(start, shape), {}, (INPUT,))
            for step, start, shape in zip(steps, starts, shapes, strict=True)
        ]
        return nodes, {node.name: node.name for node in nodes}

    def _spec(self, kind: str, what: str) -> Any:
        if kind not in self.specs:
            raise Refusal(f"the model has {what}; only models with one are supported")
        return self.specs[kind]

    def parts(self, layer: Layer, path: tuple[str, ...], weights_of: WeightsOf) -> Iterator[Part]:
        """What a layer becomes: nothing, itself, or several, with its activation behind them."""
        if layer.class_name in NOTHING_AT_INFERENCE:
            return
        if layer.class_name == "Activation":
            yield from self.activation("", layer.config["activation"])
            return
        yield from self.layer(layer.class_name, dict(layer.config), [] if layer.operation else weights_of(path))
        activation = layer.config.get("activation")
        yield from self.activation(f"_{_name(activation)}", activation)

    def layer(self, class_name: str, config: dict[str, Any], weights: list[np.ndarray]) -> list[Part]:
        """The parts of a layer without its activation."""
        try:
            return self._layer(class_name, config, weights)
        except Refusal:
            raise
        except (IndexError, ValueError):  # too few or too many of them
            shapes = ", ".join(str(weight.shape) for weight in weights) or "none"
            raise Refusal(
                f"its weights ({shapes}) are not those of a {class_name}; "
                "save the architecture and the weights from one model"
            ) from None
        except KeyError as error:
            raise Refusal(f"its configuration lacks {error}; save the model again") from None

    def _layer(self, class_name: str, config: dict[str, Any], weights: list[np.ndarray]) -> list[Part]:
        if class_name in self.lowered:
            return self.lowered[class_name](config, weights)
        return [("", *self.layers[class_name].from_keras(config, weights))]

    def activation(self, suffix: str, activation: Any) -> Iterator[Part]:
        """The part of a Keras activation, which may be a layer without weights; none for the identity."""
        if activation in (None, "linear"):
            return
        if isinstance(activation, dict) and activation.get("class_name") in (*self.layers, *self.lowered):
            class_name = activation["class_name"]
            try:
                parts = self._layer(class_name, dict(activation["config"]), [])
            except Refusal:
                raise
            except (IndexError, ValueError):  # it has weights, which Keras keeps with those of the layer
                raise Refusal(f"{class_name} as an activation is not supported; put it behind the layer") from None
            for end, spec, named in parts:
                yield suffix + end, spec, named
            return
        if not isinstance(activation, str) or activation not in self.activations:
            what = repr(activation) if isinstance(activation, str) else "of your own"
            supported = ", ".join(["linear", *self.activations])
            raise Refusal(f"an activation {what} is not supported; supported are: {supported}")
        spec, named = self.activations[activation].from_keras({}, [])
        yield suffix, spec, named


def with_name(step: Step, act: Callable[[Step], Any]) -> Any:
    """`act(step)`, all of it, its refusals with the layer's name."""
    try:
        result = act(step)
        return list(result) if isinstance(result, Iterator) else result
    except Refusal as refusal:
        raise Refusal(f"layer '{step.layer.name}': {refusal}") from None


def _name(activation: Any) -> str:
    return activation if isinstance(activation, str) else "activation"


def _fixed_shape(model: Model, layer: Layer) -> Shape:
    """The shape of an input without the batch."""
    whole = input_shape(layer)
    if whole is None:
        raise Refusal(f"model '{model.name}' has no input shape yet; put keras.Input(shape) first")
    try:
        check_input(layer)
    except Refusal as refusal:
        raise Refusal(f"layer '{layer.name}': {refusal}") from None
    shape = whole[1:]
    if None in shape:
        raise Refusal(f"model '{model.name}': the input shape {shape} is not fixed; give keras.Input fixed sizes")
    return shape  # type: ignore[return-value]
