"""Memories that hold values on their way: block RAM where they are large, LUT memory else where the chip has it."""

from amaranth.lib import memory

from .resources import Device, Resources

BLOCK_BITS = 4096
"""From this many bits on a memory is block RAM; below, LUT memory where the chip has it."""

APART = "no_rw_check"
"""The attribute by which synthesis knows a memory that is read and written apart: Yosys's own name for it."""


def buffer(depth: int, width: int, *, apart: bool = False) -> memory.Memory:
    """A memory of `depth` words of `width` bits; `apart` if no word is ever read in the cycle that writes it.

    What such a word is need not be made sure then, which takes as many registers and multiplexers as it has bits.
    """
    # A small one is left to synthesis: not every family has LUT memory.
    attrs: dict[str, object] = {"ram_style": "block"} if depth * width >= BLOCK_BITS else {}
    if apart:
        attrs[APART] = 1
    return memory.Memory(shape=width, depth=depth, init=[], attrs=attrs)


def resources(depth: int, width: int, device: Device) -> Resources:
    """What it takes of a chip, with one port to write and one to read."""
    if depth * width >= BLOCK_BITS or device.family == "ice40":
        return Resources(brams=device.brams(depth, width))
    # LUT memory: 16 words of 4 bits in 4 LUTs' room (2 of data, 2 of control), a read register, a mux between banks.
    return Resources(luts=2 * width * -(-depth // 16), ffs=width)
