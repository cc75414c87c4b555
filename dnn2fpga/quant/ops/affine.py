"""Each channel scaled and moved: batch normalization that stands alone, `Rescaling`, `Normalization`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ...errors import Refusal
from ...model.batch_norm import BatchNormalization
from ...model.graph import Graph, Node, Shape, Weights
from ..fixed import Format, requantize
from ..graph import QNode
from .base import Op, Setting
from .mac import quantize_mac


@dataclass(frozen=True)
class Affine(Op):
    """`kernel · x + bias`, one of each a channel, or one for all if `shared`; with an optional fused ReLU.

    Weights: `kernel` (1, channels) and `bias` (channels); if `shared` (1, 1) and (1,).
    """

    kind: ClassVar[str] = "affine"
    has_kernel: ClassVar[bool] = True
    shared: bool = False
    relu: bool = False

    def weight_shapes(self, shape: Shape) -> dict[str, Shape]:
        """(1, channels) and (channels,)."""
        channels = 1 if self.shared else shape[-1]
        return {"kernel": (1, channels), "bias": (channels,)}

    def run_float(self, weights: Weights, x: np.ndarray) -> np.ndarray:
        """In floating point."""
        y = (x * weights["kernel"][0] + weights["bias"]).astype(x.dtype)
        return np.maximum(y, 0) if self.relu else y

    def run_traced(self, ops: Any, weights: Mapping[str, Any], x: Any, *, pad: float) -> Any:
        """For training."""
        y = x * weights["kernel"][0] + weights["bias"]
        return ops.relu(y) if self.relu else y

    def quantize(self, node: Node, at: Setting) -> QNode:
        """As a sum of products of one term."""
        return quantize_mac(node, self, at)

    def run(self, node: QNode, x: np.ndarray) -> np.ndarray:
        """In integers."""
        assert isinstance(node.o, Format)
        arrays = node.arrays
        acc = x * arrays["kernel"][0]
        return requantize(acc, arrays["multiplier"], arrays["offset"], node.scalars["shift"], node.o)

    def as_float(self) -> Op:
        """There is no hardware for it in floating point."""
        raise Refusal("scaling by itself cannot stay in floating point; name the layers with a kernel around it")


def standing_alone(graph: Graph) -> Graph:
    """The graph with every batch normalization that no kernel took in as a layer of its own."""

    def as_affine(node: Node) -> Node:
        if not isinstance(node.spec, BatchNormalization):
            return node
        try:
            slope, offset = node.spec.slope_and_offset(node.weights)
        except Refusal as refusal:
            raise Refusal(f"layer '{node.name}': {refusal}") from None
        weights = {"kernel": slope[np.newaxis].astype(np.float32), "bias": offset.astype(np.float32)}
        return replace(node, spec=Affine(), weights=weights)

    return replace(graph, nodes=tuple(map(as_affine, graph.nodes)))


def rescaling(config: dict[str, Any], weights: list[np.ndarray]) -> list[tuple[str, Op, Weights]]:
    """Keras's `Rescaling`: `x · scale + offset`."""
    scale, offset = (np.atleast_1d(np.asarray(config[name], np.float32)) for name in ("scale", "offset"))
    scale, offset = np.broadcast_arrays(scale, offset)
    return [("", Affine(shared=scale.size == 1), {"kernel": scale.reshape(1, -1), "bias": offset.copy()})]


def normalization(config: dict[str, Any], weights: list[np.ndarray]) -> list[tuple[str, Op, Weights]]:
    """Keras's `Normalization`: `(x - mean) / max(√variance, 1e-7)`, along the last axis or all."""
    axis = config.get("axis", -1)
    axes = tuple(axis) if isinstance(axis, list | tuple) else (axis,)
    if axes not in ((-1,), ()) and axis is not None:
        raise Refusal(f"axis={axis!r} is not supported; use axis=-1, the channels")
    if config.get("invert"):
        raise Refusal("invert=True is not supported; scale by a Rescaling layer")
    if len(weights) >= 2:
        mean, variance = weights[0], weights[1]
    elif config.get("mean") is not None:
        mean, variance = np.asarray(config["mean"]), np.asarray(config["variance"])
    else:
        raise Refusal("it has no mean and variance yet; call its adapt() on data first")
    mean, spread = np.ravel(mean), np.maximum(np.sqrt(np.ravel(variance)), 1e-7)
    kernel = (1 / spread).astype(np.float32)
    return [("", Affine(shared=kernel.size == 1), {"kernel": kernel[np.newaxis], "bias": np.float32(-mean / spread)})]
