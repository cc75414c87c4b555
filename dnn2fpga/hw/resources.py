"""What a design takes of a chip, and what a chip has."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

BRAM_SHAPES = {
    "ecp5": ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1)),  # DP16KD
    "ice40": ((256, 16), (512, 8), (1024, 4), (2048, 2)),  # SB_RAM40_4K
}
"""(words, bits) that one block RAM of each family can hold."""


LONELY = 0.7
"""The share of an iCE40 design's flip-flops whose logic cell does nothing else: 0.69 of the shipped MLP on an UP5K,
0.6 of the small CNN of `examples/train_mnist.py`."""


@dataclass(frozen=True)
class Resources:
    """LUTs (4-input; of an adder, one a bit), flip-flops, hard multipliers and block RAMs."""

    luts: int = 0
    ffs: int = 0
    dsps: int = 0
    brams: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def most(self, other: Resources) -> Resources:
        """Of each resource the greater amount."""
        return Resources(*(max(getattr(self, f.name), getattr(other, f.name)) for f in fields(self)))

    def least(self, other: Resources) -> Resources:
        """Of each resource the lesser amount."""
        return Resources(*(min(getattr(self, f.name), getattr(other, f.name)) for f in fields(self)))

    def __sub__(self, other: Resources) -> Resources:
        return Resources(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(self)))

    def __mul__(self, count: int) -> Resources:
        return Resources(*(getattr(self, f.name) * count for f in fields(self)))


BOUNDLESS = Resources(*[1 << 62] * len(fields(Resources)))
"""More than any chip has."""


@dataclass(frozen=True)
class Device:
    """A chip: its family ('ecp5' or 'ice40') and what it holds."""

    name: str
    family: str
    budget: Resources

    def brams(self, depth: int, width: int) -> int:
        """Block RAMs that a memory of `depth` words of `width` bits takes."""
        return brams_of(self.family, depth, width)

    @property
    def bram_bits(self) -> int:
        """What one block RAM holds."""
        return max(math.prod(shape) for shape in BRAM_SHAPES[self.family])

    def packed(self, taken: Resources) -> Resources:
        """What all parts of a design take together, once packed into cells.

        A logic cell of an iCE40 is a LUT with a flip-flop behind it; of the flip-flops, LONELY stand alone in one.
        """
        if self.family != "ice40":
            return taken
        return replace(taken, luts=taken.luts + int(LONELY * taken.ffs))


def brams_of(family: str, depth: int, width: int) -> int:
    """Block RAMs of a family that a memory of `depth` words of `width` bits takes."""
    return _rows_and_brams(family, depth, width)[1]


def choice_luts(family: str, depth: int, width: int) -> int:
    """LUTs that choose between the block RAMs of such a memory, where it is deeper than one."""
    return (_rows_and_brams(family, depth, width)[0] - 1) * width


def _rows_and_brams(family: str, depth: int, width: int) -> tuple[int, int]:
    """How many block RAMs deep the memory is, and how many they are: in the shape of which it takes the fewest."""
    shapes = [(math.ceil(depth / words), math.ceil(width / bits)) for words, bits in BRAM_SHAPES[family]]
    rows, columns = min(shapes, key=lambda shape: (math.prod(shape), shape))
    return rows, rows * columns


def adder(width: int) -> Resources:
    """A registered adder: a flip-flop and a LUT a bit, of LUTs an even number, and one for the sum of bit 0."""
    return Resources(luts=width + width % 2 + 1, ffs=width)


def register(width: int) -> Resources:
    """A plain register."""
    return Resources(ffs=width)
