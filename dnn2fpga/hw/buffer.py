"""Memories that hold values on their way: block RAM where they are deep, LUT memory else where the chip has it."""

from amaranth.lib import memory

from .resources import Device, Resources, brams_of

PIECES = 32
"""A block RAM is worth so many pieces of LUT memory, of 16 words of 4 bits: so Yosys weighs them too, and the share
of an ECP5 that each is comes to about the same. Wide and shallow memories would waste block RAM: 26 words of 192 bits
are six blocks, of which they fill a twentieth.
"""

APART = "no_rw_check"
"""The attribute by which synthesis knows a memory that is read and written apart: Yosys's own name for it."""


def buffer(depth: int, width: int, *, apart: bool = False) -> memory.Memory:
    """A memory of `depth` words of `width` bits; `apart` if no word is ever read in the cycle that writes it.

    What such a word is need not be made sure then, which takes as many registers and multiplexers as it has bits.
    """
    # A small one is left to synthesis: not every family has LUT memory.
    attrs: dict[str, object] = {"ram_style": "block"} if in_block(depth, width) else {}
    if apart:
        attrs[APART] = 1
    return memory.Memory(shape=width, depth=depth, init=[], attrs=attrs)


def in_block(depth: int, width: int) -> bool:
    """Whether a memory of `depth` words of `width` bits is block RAM, on a chip that has LUT memory too."""
    return -(-depth // 16) * -(-width // 4) > PIECES * brams_of("ecp5", depth, width)


def resources(depth: int, width: int, device: Device) -> Resources:
    """What it takes of a chip, with one port to write and one to read."""
    if device.family == "ice40" or in_block(depth, width):
        return Resources(brams=device.brams(depth, width))
    # LUT memory: 16 words of 4 bits in 4 LUTs' room (2 of data, 2 of control), a read register, a mux between banks.
    return Resources(luts=2 * width * -(-depth // 16), ffs=width)
