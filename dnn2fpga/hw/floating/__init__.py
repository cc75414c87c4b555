"""Floating-point arithmetic: pure pipelines without handshake, one operation a clock, of every `FloatFormat`.

IEEE 754 in full, as `quant/floating.py` says it: round to nearest even, subnormals, infinities, one NaN.
"""

from .accumulate import Accumulate
from .add import Add
from .combine import Combine, Finished
from .from_integer import FromInteger
from .multiply import Multiply, Product
from .to_integer import ToInteger
from .unpack import Unpack

__all__ = ["Accumulate", "Add", "Combine", "Finished", "FromInteger", "Multiply", "Product", "ToInteger", "Unpack"]
