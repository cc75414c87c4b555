"""What every engine is: something that pushes words through a component and notes when each went by."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from amaranth.lib import wiring

from ...errors import Refusal, Shortfall
from .lanes import Lanes

PATIENCE = 200_000
"""Cycles without a word after which a simulation gives up."""


@dataclass(frozen=True)
class Stalls:
    """How often the two sides of a component pause: the same cycles for the same seed, on every engine.

    `input` is the probability, cycle by cycle, that an idle source does not yet offer its next word; `output`
    that the sink is not ready. Both 0 to 1. `seed` is 1 to 2³²-1. Raises `ValueError` for anything else.
    """

    input: float = 0.0
    output: float = 0.0
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("input", "output"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be a probability, 0 to 1, not {getattr(self, name)!r}")
        if not 1 <= self.seed < 1 << 32:
            raise ValueError(f"seed must be 1 to 2**32 - 1, not {self.seed!r}")

    @property
    def thresholds(self) -> tuple[int, int]:
        """The source and the sink pause in a cycle whose draw is below these."""
        return round(self.input * 2**32), round(self.output * 2**32)

    def draws(self) -> Iterator[int]:
        """Marsaglia's xorshift32, 1 to 2³²-1. Every cycle takes two, first the source's, needed or not."""
        x = self.seed
        while True:
            x ^= x << 13 & 0xFFFFFFFF
            x ^= x >> 17
            x ^= x << 5 & 0xFFFFFFFF
            yield x


@dataclass(frozen=True)
class Trace:
    """What came out, and when.

    A word moves in cycle t when valid and ready are both high before clock edge t; edge 0 is the first after
    reset. `words` is int64 (words out, lanes); `taken` int64, the cycle in which each word in was taken;
    `given` int64, the cycle in which each of `words` was given.
    """

    words: np.ndarray
    taken: np.ndarray
    given: np.ndarray
    seconds: float


@dataclass
class Bench:
    """A run as an engine sees it: bits, no lanes.

    `words` is uint32 (words in + 1, chunks): after the last word stands one of zeros, so that there always is
    a next word. While the source offers nothing its payload is the complement of the next word, to find out a
    component that looks at a payload which is not valid.
    """

    words: np.ndarray
    count_out: int
    chunks_out: int
    stalls: Stalls
    patience: int
    progress: Callable[[int], object]
    started: float = 0.0

    def start(self) -> None:
        """To be called when all is compiled, and the run begins."""
        self.started = time.monotonic()

    @property
    def count_in(self) -> int:
        """The words that the source offers."""
        return len(self.words) - 1


class Engine(ABC):
    """A simulator."""

    name: str

    @abstractmethod
    def missing(self) -> str | None:
        """Why this engine cannot run here, and what to install; None if it can."""

    def run(
        self,
        component: wiring.Component,
        words_in: np.ndarray,
        count_out: int,
        *,
        stalls: Stalls | None = None,
        patience: int = PATIENCE,
        progress: Callable[[int], object] | None = None,
    ) -> Trace:
        """Push `words_in` through `component` until all are taken and `count_out` words came.

        `words_in` holds integers (words, lanes). Words beyond `count_out` that come before all are taken are
        dropped. Without `stalls` the source offers a word as long as there is one, and the sink is always
        ready. `progress` is called now and then with the number of words that came.

        Raises `Refusal` where the engine cannot run here or a value does not fit its lane, `Shortfall` where
        no word goes in or out for `patience` cycles, `ToolError` where a tool fails.
        """
        if missing := self.missing():
            raise Refusal(missing)
        lanes_in, lanes_out = Lanes.of(component.i), Lanes.of(component.o)
        packed = lanes_in.pack(np.asarray(words_in))
        bench = Bench(
            words=np.concatenate([packed, np.zeros((1, lanes_in.chunks), np.uint32)]),
            count_out=count_out,
            chunks_out=lanes_out.chunks,
            stalls=stalls or Stalls(),
            patience=patience,
            progress=progress or (lambda done: None),
        )
        words, taken, given = self._drive(component, bench)
        seconds = time.monotonic() - bench.started
        if len(taken) < bench.count_in or len(given) < count_out:
            raise Shortfall(
                f"no word moved for {patience} cycles, after {len(taken)} of {bench.count_in} words went in "
                f"and {len(given)} of {count_out} came out",
                {"taken": len(taken), "given": len(given)},
            )
        return Trace(lanes_out.unpack(words), taken, given, seconds)

    @abstractmethod
    def _drive(self, component: wiring.Component, bench: Bench) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Carry out `bench`: the words that came, uint32 (words, chunks), and the cycles `taken` and `given`.

        Fewer than `bench` asks for mean that its patience ran out.
        """
