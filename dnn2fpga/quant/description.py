"""The integer model on disk: a folder with `model.json`, made for reading, and `weights.npz`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import Refusal
from ..model.description import Specs, decode_spec
from ..model.folder import read_folder, refuse_leftovers, shapes_of, take_arrays, write_folder
from ..model.graph import INPUT, Shape
from ..model.passes import check_names
from ..model.typed_json import decode, encode
from .fixed import Format
from .floating import FloatFormat
from .graph import Arriving, QGraph, QNode


@dataclass(frozen=True)
class LayerEntry:
    """An integer layer in `model.json`; its arrays by shape."""

    name: str
    kind: str
    hyperparameters: dict[str, Any]
    input_shape: Shape
    output_shape: Shape
    i: Format | FloatFormat
    o: Format | FloatFormat
    scalars: dict[str, int]
    arrays: dict[str, Shape]
    inputs: tuple[str, ...] = ()
    also: tuple[Arriving, ...] = ()
    rounding: str = "half_up"


@dataclass(frozen=True)
class ModelEntry:
    """The integer model in `model.json`."""

    name: str
    layers: tuple[LayerEntry, ...]


def save(qgraph: QGraph, folder: str | Path) -> None:
    """Write an integer graph, its arrays in the smallest types. Raises `Refusal` if it cannot be written."""
    check_names(qgraph.nodes)
    layers = tuple(
        LayerEntry(
            node.name, node.spec.kind, encode(node.spec), node.input_shape, node.output_shape, node.i, node.o,
            dict(node.scalars), shapes_of(node.arrays), node.inputs, node.also, node.rounding,
        )
        for node in qgraph.nodes
    )  # fmt: skip
    arrays = {
        f"{node.name}/{name}": array.astype(_smallest_type(array))
        for node in qgraph.nodes
        for name, array in node.arrays.items()
    }
    write_folder(folder, "integer", encode(ModelEntry(qgraph.name, layers)), arrays)


def load(folder: str | Path, specs: Specs) -> QGraph:
    """Read an integer graph, its arrays in int64; it gives the integers that the saved one gave.

    Raises `Refusal` on a folder that holds no integer model, a layer of unknown kind, layers that do not
    follow on one another, and on arrays that are not those which `model.json` lists.
    """
    written, arrays = read_folder(folder, "integer")
    try:
        model = decode(ModelEntry, written)
        nodes = tuple(_node(layer, specs, arrays) for layer in model.layers)
        refuse_leftovers(arrays)
        if not nodes:
            raise Refusal("the model has no layers; at least one is needed")
        qgraph = QGraph(model.name, nodes)
        _check_links(qgraph)
    except Refusal as refusal:
        raise Refusal(f"{folder}: {refusal}") from None
    return qgraph


def _check_links(qgraph: QGraph) -> None:
    """Raise `Refusal` unless every layer reads what those before it give."""
    given = {INPUT: Arriving(qgraph.input_shape, qgraph.i)}
    for node in qgraph.nodes:
        if len(node.arriving) != len(node.inputs):
            raise Refusal(f"layer '{node.name}': it reads {len(node.inputs)} layers, but knows {len(node.arriving)}")
        for name, arriving in zip(node.inputs, node.arriving, strict=True):
            if arriving != given[name]:
                raise Refusal(f"layer '{node.name}': its input is not the output of '{name}'")
        given[node.name] = Arriving(node.output_shape, node.o)


def _node(layer: LayerEntry, specs: Specs, arrays: dict[str, np.ndarray]) -> QNode:
    own = take_arrays(arrays, layer.name, layer.arrays, np.integer)
    return QNode(
        layer.name, decode_spec(specs, layer.name, layer.kind, layer.hyperparameters),
        layer.input_shape, layer.output_shape, layer.i, layer.o,
        {name: array.astype(np.int64) for name, array in own.items()}, layer.scalars,
        layer.inputs, layer.also, layer.rounding,
    )  # fmt: skip


def _smallest_type(array: np.ndarray) -> type[np.signedinteger[Any]]:
    low, high = int(array.min(initial=0)), int(array.max(initial=0))
    fits = (t for t in (np.int8, np.int16, np.int32) if np.iinfo(t).min <= low and high <= np.iinfo(t).max)
    return next(fits, np.int64)
