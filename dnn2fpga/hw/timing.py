"""When things happen: a timed twin of each component, which knows cycles but no values.

A pipeline's timing is that of words moving through processes joined by channels. A *process* is a generator
that takes words from one channel, or several, and puts words into the next; a *buffer* is a channel that holds some
words. Running them gives the cycle of every transfer, exactly as the hardware has it, finite buffers and all:
the plan's cycles are worked out here, before any hardware is made.

A process yields `Peek()` to learn when the next word is offered, `Pop(t)` to say that it takes it in cycle `t`,
and `Put(t)` to offer a word from cycle `t` on, which answers the cycle in which the word left. Where several read
what a process puts, it leaves in the first cycle in which all have room.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple


class Peek(NamedTuple):
    """Wait for a word of input number `port`; answers the first cycle in which it is there."""

    port: int = 0


class Pop(NamedTuple):
    """Take the word, in cycle `at`."""

    at: int
    port: int = 0


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
    """Leads from one process to another by a buffer."""

    def __init__(self, buffer: Buffer) -> None:
        self.buffer = buffer
        self.puts: list[int] = []
        self.pops: list[int] = []

    @property
    def free(self) -> int | None:
        """From when there is room for the next word; None if no place is known to come free."""
        before = len(self.puts) - self.buffer.room  # the word whose place it takes
        if before < 0:
            return 0
        return self.pops[before] + 1 if before < len(self.pops) else None

    def peek(self) -> int | None:
        """From when the next word is there; None if none is known."""
        at = len(self.pops)
        if at == len(self.puts):
            return None
        offered = self.puts[at] + self.buffer.latency
        return max(offered, self.pops[-1] + 1) if at else offered

    def pop(self, at: int) -> int:
        """Take the word."""
        self.pops.append(at)
        return at

    @property
    def room_needed(self) -> int:
        """The least room with which every word would have moved in the same cycle."""
        needed, freed = 0, 0
        for at, put in enumerate(self.puts):
            while freed < len(self.pops) and self.pops[freed] < put:
                freed += 1
            needed = max(needed, at + 1 - freed)
        return needed


class _Queues:
    """What a process puts into: a word leaves in the first cycle in which every queue has room."""

    def __init__(self, queues: Sequence[_Queue]) -> None:
        self.queues = queues

    def put(self, at: int, every: int) -> int | None:
        """When the word came in; None if it is not known yet."""
        held_up = 0
        for queue in self.queues:
            free = queue.free
            if free is None:
                return None
            held_up = max(held_up, free - at)
        at += -(-held_up // every) * every
        for queue in self.queues:
            queue.puts.append(at)
        return at


def wire() -> Process:
    """A process that passes words on in the cycle in which they are taken."""
    while True:
        left = yield Put((yield Peek()))
        yield Pop(left)


def one_a_clock() -> Process:
    """Takes a word a clock, each in the cycle in which it sets out."""
    at = -1
    while True:
        at = max(at + 1, (yield Peek()))
        at = yield Put(at)
        yield Pop(at)


@dataclass(frozen=True)
class Tap:
    """Where words can be had: what a process of a network puts, by way of a buffer or not."""

    process: int
    buffer: Buffer | None = None


class Network:
    """Processes and buffers from one source to one sink, put together one after another, and then run once."""

    def __init__(self, source: Process) -> None:
        self.processes = [source]
        self.taps: list[tuple[Tap, ...]] = [()]  # what each process reads
        self.start = Tap(0)

    def process(self, process: Process, *taps: Tap) -> Tap:
        """Add a process that reads `taps`."""
        self.processes.append(process)
        self.taps.append(taps)
        return Tap(len(self.processes) - 1)

    def through(self, tap: Tap, stages: Iterable[Process | Buffer]) -> Tap:
        """Add a chain of processes and buffers that starts at `tap`."""
        for stage in stages:
            if not isinstance(stage, Buffer):
                tap = self.process(stage, tap)
            else:  # between two buffers in a row stands a process
                tap = replace(tap if tap.buffer is None else self.process(wire(), tap), buffer=stage)
        return tap

    def run(self) -> dict[Tap, int]:
        """Run until nothing can move. Gives, for each tap with a buffer, the room that its busiest reader needed."""
        channels = [[_Queue(tap.buffer) if tap.buffer else _Wire() for tap in taps] for taps in self.taps]
        readers: list[list[int]] = [[] for _ in self.processes]
        written: list[list[_Wire | _Queue]] = [[] for _ in self.processes]
        for at, (taps, inputs) in enumerate(zip(self.taps, channels, strict=True)):
            for tap, channel in zip(taps, inputs, strict=True):
                readers[tap.process].append(at)
                written[tap.process].append(channel)
        _run(self.processes, channels, [_output(some) for some in written], self.taps, readers)
        needed: dict[Tap, int] = {}
        for taps, inputs in zip(self.taps, channels, strict=True):
            for tap, channel in zip(taps, inputs, strict=True):
                if isinstance(channel, _Queue):
                    needed[tap] = max(needed.get(tap, 0), channel.room_needed)
        return needed


def _output(channels: Sequence[_Wire | _Queue]) -> _Wire | _Queues:
    if len(channels) == 1 and isinstance(channels[0], _Wire):
        return channels[0]
    queues = [channel for channel in channels if isinstance(channel, _Queue)]
    assert len(queues) == len(channels)  # where several read there are registers
    return _Queues(queues)


def run(stages: Iterable[Process | Buffer]) -> None:
    """Run a chain of processes and buffers, from a source to a sink, until nothing can move."""
    chain = iter(stages)
    source = next(chain)
    assert not isinstance(source, Buffer)
    network = Network(source)
    network.through(network.start, chain)
    network.run()


def _run(
    processes: Sequence[Process],
    inputs: Sequence[Sequence[_Wire | _Queue]],
    outputs: Sequence[_Wire | _Queues],
    taps: Sequence[Sequence[Tap]],
    readers: Sequence[Sequence[int]],
) -> None:
    requests: list[Peek | Pop | Put | None] = [next(process) for process in processes]
    to_try = deque(range(len(processes)))
    while to_try:
        at = to_try.popleft()
        moved = False
        try:
            while (answer := _answer(inputs[at], outputs[at], requests[at])) is not None:
                moved = True
                requests[at] = processes[at].send(answer)
        except StopIteration:  # the source has run dry
            requests[at] = None
        # The neighbors may have waited for what this one did: an offer on a wire is made before it is answered.
        if moved or isinstance(requests[at], Put):
            to_try.extend(reader for reader in readers[at] if _waits(inputs[reader], requests[reader]))
        if moved:
            to_try.extend(tap.process for tap in taps[at])


def _answer(inputs: Sequence[_Wire | _Queue], output: _Wire | _Queues, request: Peek | Pop | Put | None) -> int | None:
    if request is None:
        return None
    if isinstance(request, Put):
        return output.put(request.at, request.every)
    if isinstance(request, Peek):
        return inputs[request.port].peek()
    return inputs[request.port].pop(request.at)


def _waits(inputs: Sequence[_Wire | _Queue], request: Peek | Pop | Put | None) -> bool:
    """Whether a process waits for a word that is now there."""
    return isinstance(request, Peek) and inputs[request.port].peek() is not None
