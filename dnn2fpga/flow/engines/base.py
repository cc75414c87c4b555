"""What every engine is: something that pushes words through a component and notes when each went by."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial

import joblib
import numpy as np
from amaranth.lib import wiring

from ...errors import Refusal, Shortfall
from ..programs import Programs
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

    def of_part(self, part: int) -> Stalls:
        """The pauses of one part of several: other ones in each, and these in part 0."""
        return replace(self, seed=1 + (self.seed - 1 + part * 0x9E3779B1) % ((1 << 32) - 1))


@dataclass(frozen=True)
class Trace:
    """What came out, and when.

    A word moves in cycle t when valid and ready are both high before clock edge t; edge 0 is the first after
    reset. `words` is int64 (words out, lanes); `taken` int64, the cycle in which each word in was taken;
    `given` int64, the cycle in which each of `words` was given. The run lasted from
    `began` to `ended`, seconds of `time.monotonic()`, compiling apart.
    """

    words: np.ndarray
    taken: np.ndarray
    given: np.ndarray
    began: float
    ended: float


Moves = tuple[np.ndarray, np.ndarray, np.ndarray]
"""The words that came, uint32 (words, chunks), and the cycles `taken` and `given`."""


@dataclass(frozen=True)
class Part:
    """A run of several: words to push in, integers (words, lanes), and how many are to come out."""

    words_in: np.ndarray
    count_out: int


@dataclass
class Bench:
    """A run as an engine sees it: bits, no lanes.

    `words` is uint32 (words in + 1, chunks): after the last word stands one of zeros, so that there always is
    a next word. While the source offers nothing its payload is the complement of the next word, to find out a
    component that looks at a payload which is not valid. What the engine starts, it starts as `number` of
    `programs`.
    """

    words: np.ndarray
    count_out: int
    chunks_out: int
    stalls: Stalls
    patience: int
    progress: Callable[[int], object]
    number: int
    programs: Programs

    def check(self) -> None:
        """To be called now and then: raises `Ended` if another part failed."""
        self.programs.check(self.number)

    @property
    def count_in(self) -> int:
        """The words that the source offers."""
        return len(self.words) - 1


class Engine(ABC):
    """A simulator."""

    name: str
    threads = True
    """Whether parts run at once in threads of ours."""

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
        parts = [Part(np.asarray(words_in), count_out)]
        return self.run_parts(component, parts, stalls=stalls, patience=patience, progress=progress)[0]

    def run_parts(
        self,
        component: wiring.Component,
        parts: Sequence[Part],
        *,
        stalls: Stalls | None = None,
        patience: int = PATIENCE,
        progress: Callable[[int], object] | None = None,
    ) -> list[Trace]:
        """As `run`, several times, each from reset, and as many at once as there are cores; compiled only once.

        Which of them run at once changes nothing in what they give. Each has pauses of its own. `progress` is told
        the words of all parts together, from any thread, but never twice at the same time.
        """
        if missing := self.missing():
            raise Refusal(missing)
        lanes_in, lanes_out = Lanes.of(component.i), Lanes.of(component.o)
        stalls, programs, told = stalls or Stalls(), Programs(), _Sum(progress or (lambda done: None))
        benches = []
        for number, part in enumerate(parts):
            packed = lanes_in.pack(part.words_in)
            bench = Bench(
                words=np.concatenate([packed, np.zeros((1, lanes_in.chunks), np.uint32)]),
                count_out=part.count_out,
                chunks_out=lanes_out.chunks,
                stalls=stalls.of_part(number),
                patience=patience,
                progress=partial(told.tell, number),
                number=number,
                programs=programs,
            )
            benches.append(bench)
        at_once = min(len(parts), joblib.cpu_count()) if self.threads else 1
        with self._compiled(component) as drive:
            try:
                runs = (joblib.delayed(_timed)(drive, bench) for bench in benches)
                driven = joblib.Parallel(n_jobs=at_once, backend="threading", batch_size=1)(runs)
            finally:
                programs.end_above(-1)  # if one failed, the others are of no use
        return [Trace(lanes_out.unpack(words), *others) for words, *others in driven]

    @abstractmethod
    def _compiled(self, component: wiring.Component) -> AbstractContextManager[Callable[[Bench], Moves]]:
        """What carries out a bench on `component`, any number of times: in threads at once, if `threads`.

        Fewer words than the bench asks for mean that its patience ran out.
        """


class _Sum:
    """Adds up what the parts tell of their progress."""

    def __init__(self, progress: Callable[[int], object]) -> None:
        self._progress, self._lock = progress, threading.Lock()
        self._done: dict[int, int] = {}

    def tell(self, number: int, done: int) -> None:
        """Part `number` did so much."""
        with self._lock:
            self._done[number] = done
            self._progress(sum(self._done.values()))


def _timed(drive: Callable[[Bench], Moves], bench: Bench) -> tuple[np.ndarray, np.ndarray, np.ndarray, float, float]:
    """A run, and when it began and ended. Raises `Shortfall` if it did not come to its end."""
    began = time.monotonic()
    words, taken, given = drive(bench)
    if len(taken) < bench.count_in or len(given) < bench.count_out:
        raise Shortfall(
            f"no word moved for {bench.patience} cycles, after {len(taken)} of {bench.count_in} words went in "
            f"and {len(given)} of {bench.count_out} came out",
            {"taken": len(taken), "given": len(given)},
        )
    return words, taken, given, began, time.monotonic()
