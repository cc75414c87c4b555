"""What a user asks of the quantizer, and what the quantizer (or training) decided: widths, scales, zero points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import Refusal
from ..model.graph import Graph
from ..model.passes import simplify
from .calibrate import CALIBRATIONS
from .fixed import Format, check_bits
from .ops.affine import standing_alone
from .ops.softmax import within


@dataclass(frozen=True)
class LayerBits:
    """The widths of one layer: of its weights, and of its outputs."""

    weight_bits: int
    activation_bits: int

    def check(self, where: str) -> None:
        """Raise `Refusal` on a width that is not supported."""
        check_bits(f"{where}weights", self.weight_bits)
        check_bits(f"{where}activations", self.activation_bits)


@dataclass(frozen=True)
class Scheme:
    """How to quantize a model.

    Widths are from 1 to 16 bits. Weights are symmetric, `per_channel` or with one scale a layer: with 1 bit they
    are -1 and +1 (binary), with 2 bits -1, 0 and +1 (ternary) times the scale. Activations are symmetric, or
    asymmetric with a zero point. `power_of_two` makes every scale one, so that hardware shifts where it would
    multiply. One-bit activations are 0 and 1 behind a ReLU (DoReFa); with `sign` they are -1 and +1 and stand in
    the ReLU's place (BNN, XNOR-Net). `calibration` names a function of `CALIBRATIONS`.

    The model's input has `input_bits`, those of the activations if None. `layers` gives some layers widths of their
    own, by name; `floating` names layers with a kernel that stay in floating point, in `float_format`.
    """

    weight_bits: int = 8
    activation_bits: int = 8
    symmetric: bool = True
    per_channel: bool = True
    power_of_two: bool = False
    sign: bool = False
    calibration: str = "min_max"
    input_bits: int | None = None
    layers: Mapping[str, LayerBits] = field(default_factory=dict)
    floating: frozenset[str] = frozenset()
    float_format: str = "float32"

    def bits(self, layer: str) -> LayerBits:
        """The widths of a layer, by name."""
        return self.layers.get(layer, LayerBits(self.weight_bits, self.activation_bits))

    @property
    def bits_of_input(self) -> int:
        """The width of the model's input."""
        return self.activation_bits if self.input_bits is None else self.input_bits

    def check(self, graph: Graph) -> None:
        """Raise `Refusal` on widths that are not supported, and on names that nothing in `graph` bears."""
        self.bits("").check("")
        check_bits("the input", self.bits_of_input)
        with_kernel = [node.name for node in graph.nodes if node.spec.has_kernel]
        for layer, bits in self.layers.items():
            bits.check(f"layer '{layer}': ")
        for layer in (*self.layers, *sorted(self.floating)):
            if layer not in with_kernel:
                raise Refusal(f"there is no layer '{layer}' with weights; there are: {', '.join(with_kernel)}")
        if self.calibration not in CALIBRATIONS:
            raise Refusal(f"there is no calibration '{self.calibration}'; there are: {', '.join(CALIBRATIONS)}")

    def prepared(self, graph: Graph) -> Graph:
        """`graph`, simplified, without each ReLU in whose place a sign stands. Raises `Refusal` as `check` does."""
        graph = within(standing_alone(simplify(graph)))
        self.check(graph)
        if not self.sign:
            return graph
        last = next((node.name for node in reversed(graph.nodes) if node.spec.has_kernel), None)
        nodes = (
            replace(node, spec=replace(node.spec, relu=False))
            if node.spec.has_kernel and node.name != last and self.bits(node.name).activation_bits == 1
            else node
            for node in graph.nodes
        )
        return replace(graph, nodes=tuple(nodes))


@dataclass(frozen=True)
class Formats:
    """What was decided for a model.

    `i` is the format of its input; `outputs` that of the output of each layer with a kernel, by name (of a layer in
    floating point, the one that its output is brought to where integers go on); `weight_scales` the real value of
    one step of each such layer's weights, one a channel. With `norms_kept` each channel's multiplier makes up for
    what rounding does to the norm of its weights (`weights.norm_corrected`).
    """

    i: Format
    outputs: Mapping[str, Format]
    weight_scales: Mapping[str, np.ndarray]
    norms_kept: bool = False
