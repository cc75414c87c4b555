"""The Keras front end: files of Keras 2 and 3 and live models become a float graph.

All are read from the records that Keras keeps of a model (`keras_config.py`), which files hold and live models give.
Keras itself is not needed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..errors import Refusal
from .graph import Graph
from .keras_files import opened
from .keras_graph import Kind, Lowering, Reader
from .keras_live import is_model, read_live

NO_LOWERING: Mapping[str, Lowering] = MappingProxyType({})


def from_keras(source: Any, kinds: Iterable[Kind], lowered: Mapping[str, Lowering] = NO_LOWERING) -> Graph:
    """The float graph of a Keras model: a live `keras.Model`, or a path to a file.

    Files are `.keras`, whole models in `.h5`, and `model.json` with `model.weights.h5` or `model.h5` beside it.
    `kinds` is the table of layer kinds, `lowered` that of layers that become others. An activation that is an argument
    of a layer becomes a node of its own, `<layer>_<activation>`; layers that do nothing at inference, and those whose
    results reach no output, are dropped; nested models are flattened; a layer called again is another node,
    `<layer>_1`. Several inputs are parts of one flat tensor, in the order of `model.inputs`; so are several outputs.
    Raises `Refusal` on a file that cannot be read, and, naming the layer, on what is not supported.
    """
    reader = Reader(kinds, lowered)
    if isinstance(source, str | os.PathLike):
        with opened(Path(source)) as (model, weights_of):
            return reader.graph(model, weights_of)
    if not is_model(source):
        raise Refusal(f"a model must be a path or a keras.Model, not {type(source).__name__}")
    return reader.graph(*read_live(source))
