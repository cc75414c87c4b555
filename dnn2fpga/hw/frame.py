"""What the frames between host and board hold. The protocol is told in `link.py`.

The host's side (`flow/link.py`) takes these very objects, so that the two cannot differ.
"""

from amaranth import Shape
from amaranth.lib import data, enum
from amaranth.lib.crc.catalog import CRC16_IBM_SDLC

VERSION = 1
CRC = CRC16_IBM_SDLC(data_width=8)  # hardware by `.create()`, the host's by `.compute()`
CRC_BYTES = 2
CYCLES_BYTES = 4
HASH_BYTES = 4
SHORTEST = 1 + CRC_BYTES  # a query: the sequence byte and no payload


class Status(enum.IntEnum, shape=8):  # type: ignore[call-arg]
    """The second byte of a reply."""

    OK = 0
    BROKEN = 1  # the checksum is wrong: send again
    WRONG_LENGTH = 2  # the checksum is right, but neither an image nor a query is as long


class Kind(enum.Enum, shape=2):  # type: ignore[call-arg]
    """What a frame turned out to be."""

    IMAGE = 0
    QUERY = 1
    BROKEN = 2
    WRONG_LENGTH = 3


Request = data.StructLayout({"sequence": 8, "kind": Kind})

HEAD_BYTES = 2 + max(CYCLES_BYTES, 1 + HASH_BYTES)
Reply = data.StructLayout({"head": 8 * HEAD_BYTES, "length": range(HEAD_BYTES + 1), "has_outputs": 1})


def bytes_per_value(layout: data.ArrayLayout) -> int:
    """How many bytes on the wire each value of such a stream takes."""
    return -(-Shape.cast(layout.elem_shape).width // 8)


def words_of(name: str, layout: data.ArrayLayout, values: int) -> int:
    """How many words of a stream carry `values` values. Raises `ValueError` unless it is a whole number."""
    if not isinstance(values, int) or values < 1 or values % layout.length:
        raise ValueError(f"{name} must be a positive multiple of {layout.length} lanes, not {values!r}")
    return values // layout.length
