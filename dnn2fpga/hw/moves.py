"""What layers have in common that move words, and work nothing out: some words come, some go, a step a clock."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from amaranth import Module, Shape, Signal
from amaranth.hdl import ValueLike

from .layer import FoldingT, LayerComponent, NoMultipliers
from .timing import Buffer, Peek, Pop, Process, Put


@dataclass(frozen=True)
class Moves(NoMultipliers, ABC):
    """Part of a folding that moves the words of images of `shape` (height, width, channels), values of shape `i`.

    A word is `i_lanes` channels of a pixel; `parts` words are a pixel. Raises `ValueError` if they do not divide
    the channels.
    """

    i: Shape
    shape: tuple[int, int, int]
    i_lanes: int

    def __post_init__(self) -> None:
        if self.i_lanes < 1 or self.shape[2] % self.i_lanes:
            raise ValueError(f"lanes must divide {self.shape[2]} channels, not be {self.i_lanes!r}")

    @property
    def o(self) -> Shape:
        """Shape of an output value: unchanged."""
        return self.i

    @property
    def o_lanes(self) -> int:
        """As many values a word out as in."""
        return self.i_lanes

    @property
    def memory_bits(self) -> int:
        """Bits of memory: none."""
        return 0

    @property
    def parts(self) -> int:
        """Words a pixel."""
        return self.shape[2] // self.i_lanes

    @property
    @abstractmethod
    def steps(self) -> tuple[np.ndarray, np.ndarray]:
        """For each step over the pixels of one image (down, across): whether it takes a pixel, and gives one."""

    @property
    def least_cycles(self) -> int:
        """One word a clock."""
        return self.steps[0].size * self.parts

    def timing(self) -> Iterator[Process | Buffer]:
        """Its timed twin."""
        yield self._words()

    def _words(self) -> Process:
        takes, gives = (step.repeat(self.parts).tolist() for step in self.steps)
        at = -1
        while True:
            for take, give in zip(takes, gives, strict=True):
                at += 1
                if take:
                    at = max(at, (yield Peek()))
                if give:
                    at = yield Put(at)
                if take:
                    yield Pop(at)


class Mover(LayerComponent[FoldingT]):
    """The words of `folding`, moved, in the cycle in which they come."""

    def move(self, m: Module, step: Signal, takes: ValueLike, gives: ValueLike, word: ValueLike) -> None:
        """Join the streams: in a step that `takes` a word comes, in one that `gives` the bits `word` leave."""
        may_take, may_give = self.i.valid | ~takes, self.o.ready | ~gives
        m.d.comb += [
            self.o.payload.as_value().eq(word),
            self.o.valid.eq(gives & may_take),
            self.i.ready.eq(takes & may_give),
            step.eq(may_take & may_give),
        ]
