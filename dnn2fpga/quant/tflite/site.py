"""One operator at its place in the file: its tensors, what stands for them, and how it becomes an integer layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import Refusal
from ...model.graph import Shape
from ..fixed import Format, round_away
from ..graph import Arriving, QNode
from ..ops.window import Window
from .file import Operator, Tensor

SIGNED = {"INT8": True, "UINT8": False}
"""The tensor types of activations, and whether they are signed."""


@dataclass(frozen=True)
class Value:
    """What stands for a tensor: the layer that gives it, its shape without the batch, and its format.

    The format is None of a real input, until the operator that quantizes it is reached.
    """

    name: str
    shape: Shape
    fmt: Format | None


@dataclass(frozen=True)
class Site:
    """An operator with its tensors, None for one left out; `values` holds what stands for tensors, by index.

    `last` says that its output is the model's.
    """

    operator: Operator
    inputs: tuple[Tensor | None, ...]
    output: Tensor
    values: Mapping[int, Value]
    last: bool

    @property
    def name(self) -> str:
        """The name of the layer: the tensors' own are as long as the converter likes."""
        return f"{self.operator.name.lower()}_{self.operator.index}"

    def option(self, key: str) -> Any:
        """An option, by the schema's name."""
        return self.operator.options[key]

    def tensor(self, at: int) -> Tensor:
        """Input `at`."""
        found = self.inputs[at] if at < len(self.inputs) else None
        if found is None:
            raise Refusal(f"it lacks input {at}")
        return found

    def value(self, at: int = 0) -> Value:
        """What stands for input `at`, which must not be a constant."""
        tensor = self.tensor(at)
        if tensor.data is not None:
            raise Refusal(f"input {at} is the constant '{tensor.name}'; it must be an activation")
        return self.values[tensor.index]

    def arriving(self, at: int = 0) -> Arriving:
        """Shape and format of input `at`."""
        value = self.value(at)
        if value.fmt is None:
            raise Refusal(f"not full-int8: its input '{self.tensor(at).name}' is a float; {CONVERT}")
        return Arriving(value.shape, value.fmt)

    def constant(self, at: int, what: str, type_: str) -> np.ndarray:
        """The constant that input `at` must be."""
        tensor = self.tensor(at)
        if tensor.data is None:
            raise Refusal(f"its {what} '{tensor.name}' is no constant of the file; it must be")
        if tensor.type != type_:
            raise Refusal(f"its {what} '{tensor.name}' is {tensor.type}; {type_} is supported")
        return tensor.data

    @property
    def has_constant(self) -> bool:
        """Whether one of its first two inputs is a constant of the file."""
        return any(self.tensor(at).data is not None for at in range(2))

    def format(self, at: int) -> Format:
        """The format of input `at`."""
        found = self.arriving(at).fmt
        assert isinstance(found, Format)
        return found

    @property
    def i(self) -> Format:
        """The format of its first input."""
        return self.format(0)

    @property
    def o(self) -> Format:
        """The format of its output."""
        return format_of(self.output)

    @property
    def output_shape(self) -> Shape:
        """The shape of its output, without the batch."""
        return shape_of(self.output)

    def node(
        self,
        spec: Any,
        arrays: Mapping[str, np.ndarray] | None = None,
        scalars: Mapping[str, int] | None = None,
        *,
        reads: int = 1,
        at: int = 0,
        o: Format | None = None,
        output_shape: Shape | None = None,
    ) -> QNode:
        """The layer of `spec` that does what the operator does, and reads `reads` of its inputs, from input `at` on."""
        ports = range(at, at + reads)
        first, *also = map(self.arriving, ports)
        return QNode(
            self.name, spec, first.shape, output_shape or self.output_shape, first.fmt, o or self.o,
            arrays or {}, scalars or {}, tuple(self.value(port).name for port in ports), tuple(also),
            rounding="tflite",
        )  # fmt: skip

    def same_format(self, at: int = 0) -> None:
        """Refuse an output that is not quantized as input `at` is, as TensorFlow Lite itself refuses it."""
        if self.o != self.arriving(at).fmt:
            raise Refusal("scale and zero point of its output differ from those of its input; they must be the same")

    def limits(self) -> tuple[int, int]:
        """The least and greatest integer that the fused activation lets pass."""
        return activation_limits(self.option("FusedActivationFunction"), self.o)


def window(site: Site, kernel: tuple[int, int], *, dilates: bool = False) -> Window:
    """The window of an operator with padding and strides, and dilation if it `dilates`."""
    strides = site.option("StrideH"), site.option("StrideW")
    dilation = (site.option("DilationHFactor"), site.option("DilationWFactor")) if dilates else (1, 1)
    return Window(kernel, strides, site.option("Padding").lower(), dilation)


ONE_BATCH = "convert the model with keras.Input(shape, batch_size=1)"
CONVERT = "convert it with a representative data set and TFLITE_BUILTINS_INT8"


def format_of(tensor: Tensor) -> Format:
    """The format of an activation. Raises `Refusal` unless it is 8 bits, with one scale."""
    if tensor.type not in SIGNED:
        raise Refusal(f"not full-int8: tensor '{tensor.name}' is {tensor.type}; {CONVERT}")
    if len(tensor.scales) != 1 or len(tensor.zero_points) != 1:
        raise Refusal(f"tensor '{tensor.name}' has {len(tensor.scales)} scales; an activation must have one")
    return Format(8, SIGNED[tensor.type], float(tensor.scales[0]), float(tensor.zero_points[0]))


def shape_of(tensor: Tensor) -> Shape:
    """The shape without the batch. Raises `Refusal` if a size is free, or the batch is not one."""
    if -1 in tensor.signature[1:]:
        raise Refusal(
            f"tensor '{tensor.name}' has the free sizes {tensor.signature}; only the batch may be free: {ONE_BATCH}"
        )
    if len(tensor.shape) < 2 or tensor.shape[0] != 1 or min(tensor.shape) < 1:
        raise Refusal(f"tensor '{tensor.name}' has shape {tensor.shape}; (1, …) is supported")
    return tensor.shape[1:]


ACTIVATIONS: dict[str, tuple[float | None, float | None]] = {
    "NONE": (None, None), "RELU": (0.0, None), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0),
}  # fmt: skip
"""The real values between which each activation keeps its output, where it limits it."""


def activation_limits(activation: str, fmt: Format) -> tuple[int, int]:
    """The least and greatest integer of `fmt` that an activation lets pass.

    As `CalculateActivationRangeQuantized` (tensorflow/lite/kernels/kernel_util.cc) has it, in float32.
    """
    if activation not in ACTIVATIONS:
        raise Refusal(f"its activation {activation} is not supported; use {', '.join(ACTIVATIONS)}")
    low, high = ACTIVATIONS[activation]
    return (
        fmt.minimum if low is None else max(fmt.minimum, _quantized(low, fmt)),
        fmt.maximum if high is None else min(fmt.maximum, _quantized(high, fmt)),
    )


def _quantized(real: float, fmt: Format) -> int:
    steps = np.float32(real) / np.float32(fmt.scale)
    return int(fmt.zero_point) + int(round_away(steps))
