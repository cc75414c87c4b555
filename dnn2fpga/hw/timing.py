"""When things happen: a timed twin of each component, which knows cycles but no values.

A pipeline's timing is that of words moving through processes joined by channels. A *process* is a generator
that takes words from one channel and puts words into the next; a *buffer* is a channel that holds some words.
Running them gives the cycle of every transfer, exactly as the hardware has it, finite buffers and all:
the plan's cycles are worked out here, before any hardware is made.

A process yields `Peek()` to learn when the next word is offered, `Pop(t)` to say that it takes it in cycle `t`,
and `Put(t)` to offer a word from cycle `t` on, which answers the cycle in which the word left.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Peek(NamedTuple):
    """Wait for a word; answers the first cycle in which it is there."""


class Pop(NamedTuple):
    """Take the word, in cycle `at`."""

    at: int


class Put(NamedTuple):
    """Offer a word from cycle `at` on, into a buffer maybe only `every` so many cycles; answers when it was taken."""

    at: int
    every: int = 1


Process = Generator["Peek | Pop | Put", int, None]


@dataclass(frozen=True)
class Buffer:
    """A channel that holds up to `room` words and gives each `latency` cycles after it came.

    A place freed in one cycle is filled again in the next at the earliest.
    """

    room: int
    latency: int


class Source:
    """Where words come from: always offered, as fast as they are taken. `words` of them."""

    def __init__(self, words: int) -> None:
        self.words = words
        self.taken: list[int] = []

    def process(self) -> Process:
        """As a process without an input."""
        at = -1
        for _ in range(self.words):
            at = yield Put(at + 1)
            self.taken.append(at)


class Sink:
    """Where words go: taken as soon as they are offered; `taken` lists when."""

    def __init__(self) -> None:
        self.taken: list[int] = []

    def process(self) -> Process:
        """As a process without an output."""
        at = -1
        while True:
            offered = yield Peek()
            at = max(offered, at + 1)
            yield Pop(at)
            self.taken.append(at)


class _Wire:
    """Joins two processes without a register: a word is put in the very cycle in which it is popped."""

    def __init__(self) -> None:
        self.offered: int | None = None
        self.taken: int | None = None

    def put(self, at: int, every: int) -> int | None:
        """When the word was taken; None if it is not yet."""
        assert every == 1  # the reader cannot know
        taken, self.taken = self.taken, None
        if taken is None:
            self.offered = at
        return taken

    def peek(self) -> int | None:
        """From when the next word is there; None if none is known."""
        return self.offered

    def pop(self, at: int) -> int:
        """Take the word."""
        self.offered, self.taken = None, at
        return at


class _Queue:
    """Joins two processes by a buffer."""

    def __init__(self, buffer: Buffer) -> None:
        self.buffer = buffer
        self.offers: deque[int] = deque()
        self.freed: deque[int] = deque([0] * buffer.room)  # from when each free place is free
        self.last_pop = -1

    def put(self, at: int, every: int) -> int | None:
        """When the word came in; None if no place is known to come free."""
        if not self.freed:
            return None
        held_up = max(self.freed.popleft() - at, 0)
        at += -(-held_up // every) * every
        self.offers.append(at + self.buffer.latency)
        return at

    def peek(self) -> int | None:
        """From when the next word is there; None if none is known."""
        return max(self.offers[0], self.last_pop + 1) if self.offers else None

    def pop(self, at: int) -> int:
        """Take the word."""
        self.offers.popleft()
        self.freed.append(at + 1)
        self.last_pop = at
        return at


def wire() -> Process:
    """A process that passes words on in the cycle in which they are taken."""
    while True:
        left = yield Put((yield Peek()))
        yield Pop(left)


def run(stages: Iterable[Process | Buffer]) -> None:
    """Run a chain of processes and buffers, from a source to a sink, until nothing can move."""
    processes: list[Process] = []
    channels: list[_Wire | _Queue] = []  # channels[n] leads from processes[n] to processes[n + 1]
    buffer: Buffer | None = None
    for stage in stages:
        if isinstance(stage, Buffer) and buffer is None:
            buffer = stage
            continue
        process = wire() if isinstance(stage, Buffer) else stage  # two buffers in a row: a process between them
        if processes:
            channels.append(_Queue(buffer) if buffer else _Wire())
        processes.append(process)
        buffer = stage if isinstance(stage, Buffer) else None
    _run(processes, channels)


def _run(processes: Sequence[Process], channels: Sequence[_Wire | _Queue]) -> None:
    requests: list[Peek | Pop | Put | None] = [next(process) for process in processes]
    to_try = deque(range(len(processes)))
    while to_try:
        at = to_try.popleft()
        moved = False
        try:
            while (answer := _answer(channels, at, requests[at])) is not None:
                moved = True
                requests[at] = processes[at].send(answer)
        except StopIteration:  # the source has run dry
            requests[at] = None
        # The neighbors may have waited for what this one did: an offer on a wire is made before it is answered.
        if at + 1 < len(processes) and (moved or isinstance(requests[at], Put)) and _waits(channels, at + 1, requests):
            to_try.append(at + 1)
        if at and moved:
            to_try.append(at - 1)


def _answer(channels: Sequence[_Wire | _Queue], at: int, request: Peek | Pop | Put | None) -> int | None:
    if request is None:
        return None
    if isinstance(request, Put):
        return channels[at].put(request.at, request.every)
    if isinstance(request, Peek):
        return channels[at - 1].peek()
    return channels[at - 1].pop(request.at)


def _waits(channels: Sequence[_Wire | _Queue], at: int, requests: Sequence[Peek | Pop | Put | None]) -> bool:
    """Whether a process waits for a word that is now there."""
    return isinstance(requests[at], Peek) and channels[at - 1].peek() is not None
