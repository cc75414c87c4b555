"""When things happen: a timed twin of each component, which knows cycles but no values.

A pipeline's timing is that of words moving through processes joined by channels. A *process* is a generator
that takes words from one channel, or several, and puts words into the next; a *buffer* is a channel that holds some
words. Running them gives the cycle of every transfer, exactly as the hardware has it, finite buffers and all:
the plan's cycles are worked out here, before any hardware is made.

A process yields `Peek()` to learn when the next word is offered, `Pop(t)` to say that it takes it in cycle `t`,
`Take(t)` to take it as soon as it is there, from cycle `t` on, which answers when that was; and `Put(t)` to offer a
word from cycle `t` on, which answers the cycle in which the word left. Where several read what a process puts, it
leaves in the first cycle in which all have room.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from .channels import Parts, Queue, Queues, Wire


class Peek(NamedTuple):
    """Wait for a word of input number `port`; answers the first cycle in which it is there."""

    port: int = 0


class Pop(NamedTuple):
    """Take the word, in cycle `at`."""

    at: int
    port: int = 0


class Take(NamedTuple):
    """Take the next word in the first cycle from `at` on in which it is there; answers which."""

    at: int
    port: int = 0


class Put(NamedTuple):
    """Offer a word from cycle `at` on, into a buffer maybe only `every` so many cycles; answers when it was taken."""

    at: int
    every: int = 1


@dataclass(frozen=True)
class Pass:
    """Passes words on in the cycle in which they are taken; no two in one cycle, if it is `paced`."""

    paced: bool


Steps = Generator["Peek | Pop | Take | Put", int, None]
Process = Steps | Pass


@dataclass(frozen=True)
class Buffer:
    """A channel that holds up to `room` words and gives each `latency` cycles after it came.

    A place is filled again `back` cycles after it was freed at the earliest.
    """

    room: int
    latency: int
    back: int = 1

    def channel(self) -> Queue:
        """Where the words are, for one reader."""
        return Queue(self.room, self.latency, self.back)


@dataclass(frozen=True, kw_only=True)
class InParts(Buffer):
    """A channel that deals its words out: `Narrow` to `parts` of a word and `MasterSlave` behind it, in one.

    Its reader works `cycles` on each part, and the channel takes the cycles of all parts but the last, so that the
    reader sees words, each offered when its last part is: a word takes a step or two, not some for each part.
    """

    room: int = 2
    latency: int = 0
    parts: int
    cycles: int

    def channel(self) -> Queue:
        """Where the words are, for one reader."""
        return Parts(self.parts, self.cycles)


class Source:
    """Where words come from: offered as fast as they are taken, or not before their turn if spread over `cycles`."""

    def __init__(self, words: int, cycles: int = 0) -> None:
        self.words, self.cycles = words, cycles
        self.taken: list[int] = []

    def process(self) -> Steps:
        """As a process without an input."""
        at = -1
        for word in range(self.words):
            at = yield Put(max(at + 1, word * self.cycles // self.words))
            self.taken.append(at)


class Sink:
    """Where words go: taken as soon as they are offered; `taken` lists when."""

    def __init__(self) -> None:
        self.taken: list[int] = []

    def process(self) -> Process:
        """As a process without an output."""
        at = -1
        while True:
            at = yield Take(at + 1)
            self.taken.append(at)


def wire() -> Process:
    """A process that passes words on in the cycle in which they are taken."""
    return Pass(paced=False)


def one_a_clock() -> Process:
    """Takes a word a clock, each in the cycle in which it sets out."""
    return Pass(paced=True)


def _spaced() -> Steps:
    """`one_a_clock` behind a process, which may offer several words for one cycle."""
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
        self.queues: dict[Tap, list[Queue]] = {}  # once it has run: of each tap with a buffer, one a reader
        self.start = Tap(0)

    def process(self, process: Process, *taps: Tap) -> Tap:
        """Add a process that reads `taps`."""
        self.processes.append(process)
        self.taps.append(taps)
        return Tap(len(self.processes) - 1)

    def through(self, tap: Tap, stages: Iterable[Process | Buffer]) -> Tap:
        """Add a chain of processes and buffers that starts at `tap`."""
        for stage in stages:
            if isinstance(stage, Pass) and (tap.buffer or not stage.paced):
                continue  # whatever reads the tap does the same: a buffer gives no two words in one cycle
            if not isinstance(stage, Buffer):
                tap = self.process(stage, tap)
            else:  # between two buffers in a row stands a process
                tap = replace(tap if tap.buffer is None else self.process(wire(), tap), buffer=stage)
        return tap

    def run(self) -> None:
        """Run until nothing can move."""
        actors = [_Actor(process) for process in self.processes]
        written: list[list[Wire | Queue]] = [[] for _ in actors]
        for reader, taps in zip(actors, self.taps, strict=True):
            for tap in taps:
                channel = tap.buffer.channel() if tap.buffer else Wire()
                reader.inputs.append(channel)
                reader.writers.append((actors[tap.process], channel))
                actors[tap.process].readers.append((reader, channel))
                written[tap.process].append(channel)
                if isinstance(channel, Queue):
                    self.queues.setdefault(tap, []).append(channel)
        for actor, channels in zip(actors, written, strict=True):
            actor.output = _output(channels)
        _run(actors)

    def room_needed(self, tap: Tap) -> int:
        """The room that the busiest reader of `tap`, which has a buffer, needed."""
        return max(queue.room_needed for queue in self.queues[tap])


def _output(channels: Sequence[Wire | Queue]) -> Wire | Queue | Queues:
    if len(channels) == 1:
        return channels[0]
    queues = [channel for channel in channels if isinstance(channel, Queue)]
    assert len(queues) == len(channels)  # where several read there are registers
    return Queues(queues)


def run(stages: Iterable[Process | Buffer]) -> None:
    """Run a chain of processes and buffers, from a source to a sink, until nothing can move."""
    chain = iter(stages)
    source = next(chain)
    assert not isinstance(source, Buffer)
    network = Network(source)
    network.through(network.start, chain)
    network.run()


class _Actor:
    """A process in its network, and how far it has come.

    `waits` is the channel that must move before it goes on, an input or its output; None if it never will.
    """

    def __init__(self, process: Process) -> None:
        # Behind a buffer both are the same, and only there a network has one that is not paced.
        self.passes = isinstance(process, Pass) and not process.paced
        self.process = _spaced() if isinstance(process, Pass) else process
        self.inputs: list[Wire | Queue] = []
        self.output: Wire | Queue | Queues = Queues(())
        self.readers: list[tuple[_Actor, Wire | Queue]] = []
        self.writers: list[tuple[_Actor, Wire | Queue]] = []
        self.request: Peek | Pop | Take | Put | None = None
        self.waits: Wire | Queue | Queues | None = None
        self.due = True

    def go(self) -> None:
        """Go on until it waits."""
        try:
            self.waits = self._pass() if self.passes else self._serve()
        except StopIteration:  # the source has run dry
            self.waits = None

    def _pass(self) -> Wire | Queue | Queues:
        """Move words from its input to its output. Gives what it waits for."""
        (source,), output = self.inputs, self.output
        peek, put, pop = source.peek, output.put, source.pop
        while (offered := peek()) is not None:
            if (left := put(offered, 1)) is None:
                return output
            pop(left)
        return source

    def _serve(self) -> Wire | Queue | Queues:
        """Answer its process' requests, the last one first. Gives what it waits for."""
        send, inputs, output, put = self.process.send, self.inputs, self.output, self.output.put
        request = self.request or next(self.process)
        waits = output
        while True:
            if isinstance(request, Put):
                waits, answer = output, put(request.at, request.every)
            elif isinstance(request, Take):
                waits = inputs[request.port]
                if (answer := waits.peek()) is not None:
                    answer = waits.pop(max(answer, request.at))
            elif isinstance(request, Peek):
                waits = inputs[request.port]
                answer = waits.peek()
            else:
                answer = inputs[request.port].pop(request.at)
            if answer is None:
                self.request = request
                return waits
            request = send(answer)


def _run(actors: Iterable[_Actor]) -> None:
    """Let each go as far as it can, again whenever what it waits for has moved, until nothing can move."""
    to_try = deque(actors)
    while to_try:
        actor = to_try.popleft()
        actor.due = False
        actor.go()
        for reader, channel in actor.readers:
            if reader.waits is channel and not reader.due and channel.peek() is not None:
                reader.due = True
                to_try.append(reader)
        for writer, channel in actor.writers:
            if writer.waits is writer.output and not writer.due and channel.open:
                writer.due = True
                to_try.append(writer)
