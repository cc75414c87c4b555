"""The float model on disk: a folder with `model.json`, made for reading, and `weights.npz`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import Refusal
from .batch_norm import BatchNormalization
from .folder import read_folder, refuse_leftovers, shapes_of, take_arrays, write_folder
from .graph import Graph, Node, Shape
from .passes import check_names
from .typed_json import decode, encode

Specs = Mapping[str, Any]
"""The specification dataclass of each layer kind, by the kind's name."""


@dataclass(frozen=True)
class LayerEntry:
    """A layer in `model.json`: its hyperparameters as its specification nests them, its weights by shape."""

    name: str
    kind: str
    hyperparameters: dict[str, Any]
    weights: dict[str, Shape]
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelEntry:
    """The model in `model.json`."""

    name: str
    input_shape: Shape
    layers: tuple[LayerEntry, ...]


def save(graph: Graph, folder: str | Path) -> None:
    """Write a float graph. Raises `Refusal` if the folder cannot be written, or a name is given twice."""
    check_names(graph.nodes)
    layers = tuple(
        LayerEntry(node.name, node.spec.kind, encode(node.spec), shapes_of(node.weights), node.inputs)
        for node in graph.nodes
    )
    model = encode(ModelEntry(graph.name, graph.input_shape, layers))
    arrays = {f"{node.name}/{name}": weight for node in graph.nodes for name, weight in node.weights.items()}
    write_folder(folder, "float", model, arrays)


def load(folder: str | Path, specs: Specs) -> Graph:
    """Read a float graph; its weights are bit for bit those saved.

    Raises `Refusal` on a folder that holds no float model, a layer of unknown kind or one that does not fit,
    and on arrays that are not those which `model.json` lists.
    """
    written, arrays = read_folder(folder, "float")
    known = {**specs, BatchNormalization.kind: BatchNormalization}
    try:
        model = decode(ModelEntry, written)
        nodes = tuple(
            Node(
                layer.name,
                decode_spec(known, layer.name, layer.kind, layer.hyperparameters),
                take_arrays(arrays, layer.name, layer.weights, np.floating),
                layer.inputs,
            )
            for layer in model.layers
        )
        refuse_leftovers(arrays)
        graph = Graph(model.name, model.input_shape, nodes)
        list(graph.walk())  # refuses a layer that does not fit
    except Refusal as refusal:
        raise Refusal(f"{folder}: {refusal}") from None
    return graph


def decode_spec(specs: Specs, name: str, kind: str, hyperparameters: dict[str, Any]) -> Any:
    """The specification of the layer `name`. Raises `Refusal` on an unknown kind or hyperparameter."""
    if kind not in specs:
        raise Refusal(f"layer '{name}': kind '{kind}' is unknown; known are: {', '.join(specs)}")
    try:
        return decode(specs[kind], hyperparameters)
    except Refusal as refusal:
        raise Refusal(f"layer '{name}': {refusal}") from None
