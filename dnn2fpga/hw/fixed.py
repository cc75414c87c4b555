"""Formats as Amaranth shapes."""

from __future__ import annotations

from amaranth import Shape, signed, unsigned

from ..quant.fixed import Format
from ..quant.floating import FloatFormat


def shape_of(fmt: Format | FloatFormat) -> Shape:
    """The shape that holds a format's integers, or a floating-point format's ordered codes."""
    return signed(fmt.bits) if fmt.signed else unsigned(fmt.bits)


def minimum(shape: Shape) -> int:
    """The least integer of a shape."""
    return -(1 << (shape.width - 1)) if shape.signed else 0


def maximum(shape: Shape) -> int:
    """The greatest integer of a shape."""
    return (1 << (shape.width - shape.signed)) - 1


def shape_for(low: int, high: int) -> Shape:
    """The narrowest shape that holds every integer from `low` to `high`, at least one bit wide."""
    if low >= 0:
        return unsigned(max(1, high.bit_length()))
    return signed(max((~low).bit_length(), max(high, 0).bit_length()) + 1)


def product_shape(a: Shape, b: Shape) -> Shape:
    """The shape of an exact product: as wide as both operands, signed if either is."""
    return Shape(a.width + b.width, a.signed or b.signed)
