"""Memories that hold values on their way: block RAM where they are deep, LUT memory else where the chip has it."""

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import memory

from .resources import Device, Resources, brams_of

PIECES = 12
"""Of so many pieces of LUT memory, 16 words of 4 bits each, a block RAM is worth. Wide and shallow memories waste block
RAM: 10 words of 1,024 bits are 29 blocks, of which they fill a fiftieth. But LUTs take nextpnr's time, which grows
faster than they do: at 32 pieces, Yosys's own measure, ResNet-8 has 79 blocks less and 10,000 LUTs more.
"""
YOSYS_PIECES = 32
"""The same of memories that are left to synthesis."""

APART = "no_rw_check"
"""The attribute by which synthesis knows a memory that is read and written apart: Yosys's own name for it."""


def buffer(depth: int, width: int, *, apart: bool = False, pieces: int = PIECES) -> memory.Memory:
    """A memory of `depth` words of `width` bits; `apart` if no word is ever read in the cycle that writes it.

    What such a word is need not be made sure then, which takes as many registers and multiplexers as it has bits.
    `pieces` as `in_block` has them.
    """
    # A small one is left to synthesis: not every family has LUT memory.
    attrs: dict[str, object] = {"ram_style": "block"} if in_block(depth, width, pieces) else {}
    if apart:
        attrs[APART] = 1
    return memory.Memory(shape=width, depth=depth, init=[], attrs=attrs)


def places(m: Module, name: str, depth: int, step: Value) -> tuple[Signal, Signal]:
    """A place in a memory, which moves on with each step and comes round, and the one ahead.

    Both are registers: no arithmetic lies before the memory.
    """
    at, ahead = Signal(range(depth), name=name), Signal(range(depth), init=1 % depth, name=f"{name}_ahead")
    with m.If(step):
        m.d.sync += [at.eq(ahead), ahead.eq(Mux(ahead == depth - 1, 0, ahead + 1))]
    return at, ahead


def in_block(depth: int, width: int, pieces: int = PIECES) -> bool:
    """Whether a memory of `depth` words of `width` bits is block RAM, on a chip that has LUT memory too."""
    return -(-depth // 16) * -(-width // 4) > pieces * brams_of("ecp5", depth, width)


def resources(depth: int, width: int, device: Device, pieces: int = PIECES, *, registered: bool = True) -> Resources:
    """What it takes of a chip, with one port to write and one to read, `registered` or not; `pieces` as `in_block`."""
    if device.family == "ice40" or in_block(depth, width, pieces):
        return Resources(brams=device.brams(depth, width))
    # LUT memory: 16 words of 4 bits in 4 LUTs' room (2 of data, 2 of control), a read register, a mux between banks.
    return Resources(luts=2 * width * -(-depth // 16), ffs=width * registered)
