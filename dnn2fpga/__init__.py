"""A Keras model in, a pipelined FPGA design out, equal bit for bit to a NumPy reference.

    import dnn2fpga as d2f

    graph = d2f.from_keras("digits.keras")            # a path or a live keras.Model
    qgraph = d2f.quantize(graph, samples, bits=8)     # NumPy only
    design = d2f.Design(qgraph, board="ulx3s_85f", fps=10_000)
    result = design.simulate(images)                  # (result.outputs == qgraph.run(images)).all()
    design.build("build/")

The hardware language is `from dnn2fpga import hw`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .design import Design
from .errors import Refusal, Shortfall
from .kinds import KINDS, LOWERED, SPECS
from .model import description as _float_description
from .model import keras as _keras
from .model.folder import kind_of_description as _kind_of_description
from .model.graph import Graph
from .quant import description as _integer_description
from .quant.graph import QGraph
from .quant.optimizer import Optimizer
from .quant.quantize import quantize_graph as _quantize_graph
from .quant.scheme import LayerBits, Scheme
from .quant.tflite import from_tflite

__all__ = [
    "Design",
    "Graph",
    "LayerBits",
    "Optimizer",
    "QGraph",
    "Refusal",
    "Scheme",
    "Shortfall",
    "from_keras",
    "from_tflite",
    "load",
    "quantize",
    "save",
]


def from_keras(source: Any) -> Graph:
    """Read a `.keras` or `.h5` file, or a live `keras.Model`. Raises `Refusal` on what is not supported."""
    return _keras.from_keras(source, KINDS, LOWERED)


def quantize(graph: Graph, samples: np.ndarray, bits: int = 8, **scheme: Any) -> QGraph:
    """The integer model of `graph`, calibrated on real inputs `samples` `(n, *input_shape)`.

    `bits`, from 1 to 16, is the width of weights and activations; `scheme` takes the fields of `Scheme`, either
    width apart among them. Raises `Refusal` on data, weights or a scheme that cannot be used.
    """
    return _quantize_graph(graph, samples, Scheme(**{"weight_bits": bits, "activation_bits": bits, **scheme}))


def save(model: Graph | QGraph, folder: str | Path) -> None:
    """Keep a model as a description: `model.json` and `weights.npz` in `folder`."""
    if isinstance(model, QGraph):
        _integer_description.save(model, folder)
    else:
        _float_description.save(model, folder)


def load(folder: str | Path) -> Graph | QGraph:
    """The model that a description folder holds. Raises `Refusal` if it holds none, or a broken one."""
    if _kind_of_description(folder) == "integer":
        return _integer_description.load(folder, SPECS)
    return _float_description.load(folder, SPECS)
