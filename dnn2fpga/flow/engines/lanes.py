"""Between the integers of a stream's lanes and the bits of its words."""

from dataclasses import dataclass

import numpy as np
from amaranth import Shape
from amaranth.lib import stream

from ...errors import Refusal


@dataclass(frozen=True)
class Lanes:
    """`n` lanes a word, each an integer of `width` bits."""

    n: int
    width: int
    signed: bool

    @classmethod
    def of(cls, port: stream.Interface) -> "Lanes":
        """The lanes of a component's stream. Raises `Refusal` where an int64 cannot hold a lane's value."""
        layout = port.payload.shape()
        shape = Shape.cast(layout.elem_shape)
        if not 1 <= shape.width <= (64 if shape.signed else 63):
            raise Refusal(f"a lane must have 1 bit or more and fit an int64, and {shape!r} does not")
        return cls(layout.length, shape.width, shape.signed)

    @property
    def bits(self) -> int:
        """The bits of a word."""
        return self.n * self.width

    def pack(self, values: np.ndarray) -> np.ndarray:
        """The words of `values` (words, lanes), in chunks of 32 bits: a uint32 array (words, chunks).

        Lane 0 is lowest, and so is chunk 0. Raises `Refusal` for a value that its lane cannot hold.
        """
        if values.ndim != 2 or values.shape[1] != self.n or values.dtype.kind not in "iu":
            raise Refusal(f"words must be integers (words, {self.n}), not {values.dtype} {values.shape}")
        low = -(1 << self.width - 1) if self.signed else 0
        high = (1 << self.width - self.signed) - 1
        if outside := np.argwhere((values < low) | (values > high)).tolist():
            word, lane = outside[0]
            raise Refusal(f"word {word}, lane {lane}: {values[word, lane]} is not within {low} to {high}")
        words = np.zeros((len(values), -(-self.bits // 64)), np.dtype("<u8"))
        for lane in range(self.n):
            chunk, shift = divmod(lane * self.width, 64)
            bits = values[:, lane].astype(np.int64).view(np.uint64) & self._mask()
            words[:, chunk] |= bits << np.uint64(shift)
            if shift + self.width > 64:
                words[:, chunk + 1] |= bits >> np.uint64(64 - shift)
        return np.ascontiguousarray(words.view("<u4")[:, : self.chunks])

    def unpack(self, words: np.ndarray) -> np.ndarray:
        """What `pack` packed."""
        padded = np.zeros((len(words), 2 * -(-self.bits // 64)), np.dtype("<u4"))
        padded[:, : self.chunks] = words
        wide = padded.view("<u8")
        values = np.empty((len(words), self.n), np.int64)
        for lane in range(self.n):
            chunk, shift = divmod(lane * self.width, 64)
            bits = wide[:, chunk] >> np.uint64(shift)
            if shift + self.width > 64:
                bits |= wide[:, chunk + 1] << np.uint64(64 - shift)
            bits &= self._mask()
            if self.signed:  # the sign bit goes to the top, and comes down again with its copies
                top = 64 - self.width
                values[:, lane] = (bits << np.uint64(top)).view(np.int64) >> np.int64(top)
            else:
                values[:, lane] = bits.view(np.int64)
        return values

    @property
    def chunks(self) -> int:
        """The 32-bit chunks of a word."""
        return -(-self.bits // 32)

    def _mask(self) -> np.uint64:
        return np.uint64((1 << self.width) - 1)
