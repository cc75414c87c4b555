"""Layers that follow another of the same operator: limits of an activation, other axes."""

from __future__ import annotations

import math

import numpy as np

from ...model.graph import Shape
from ..graph import QNode
from ..ops.flatten import Flatten
from ..ops.lookup import Lookup
from ..ops.table import entries
from .site import Site


def behind(site: Site, node: QNode) -> list[QNode]:
    """`node`, and a table behind it where the fused activation limits more than the format does."""
    limits = site.limits()
    if limits == (site.o.minimum, site.o.maximum):
        return [node]
    table = np.clip(entries(site.o), *limits)
    return [node, _following(node, "limits", Lookup(), node.output_shape, {"table": table})]


def flattened_to(site: Site, node: QNode, shape: Shape) -> list[QNode]:
    """`node`, and a layer behind it that brings its result to one axis, if that is what `shape` has."""
    if node.output_shape == shape:
        return [node]
    return [node, _following(node, "flatten", Flatten(), (math.prod(node.output_shape),))]


def _following(
    node: QNode, suffix: str, spec: object, shape: Shape, arrays: dict[str, np.ndarray] | None = None
) -> QNode:
    name = f"{node.name}_{suffix}"
    return QNode(
        name, spec, node.output_shape, shape, node.o, node.o, arrays or {}, {}, (node.name,), rounding="tflite"
    )
