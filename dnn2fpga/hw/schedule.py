"""The cycles of a choice of foldings, from its timed twins; and the queues that it needs where branches meet.

Layers, joins, forks and queues are processes of a Kahn network (Kahn 1974): each reads and writes its streams in an
order of its own, whenever the words come. What such a network gives, and whether it stops, does not depend on when:
so a queue with which it runs at full speed can fill up, and yet never stop it, whatever pauses come from outside.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from ..model.graph import INPUT
from . import queue
from .choose import Chosen, Placed, end_of
from .layer import ports_of
from .timing import Buffer, Network, Sink, Source, Tap, wire

IMAGES = 4
"""Images timed: the first gives the latency, the others the interval."""

BOUNDLESS = 1 << 62
"""The depth of a queue that is never full."""

REGISTERS = 2
"""Words that the registers before a layer hold: no more need no queue."""


def with_queues(chosen: Chosen, pace: int = 0) -> tuple[Chosen, int]:
    """The choice, with a queue before each layer that reads several others, where its registers alone would stop one;
    and a number of cycles between images that no depths of them can better, 0 if none is known.

    A queue has the depth that it fills when it is boundless and nothing from outside holds the network up.

    With a `pace`, cycles between images, every layer may have a queue: as deep as it gets when words come in evenly at
    that pace. Then a layer that works in bursts holds up none that needs all the time there is. Hardware with these
    queues keeps the pace however words come in, for what a network of such processes does as soon as it can is never
    later than what a slower schedule does.
    """
    boundless = [_with_depths(placed, BOUNDLESS) if pace or len(placed.joins) > 1 else placed for placed in chosen]
    if boundless == chosen:
        return chosen, 0
    network = _Network(boundless, pace)
    network.run()
    queued = [
        _with_depths(placed, *(network.room_needed(tap) for tap in network.queues[placed.node.name]))
        for placed in chosen
    ]
    return queued, network.interval


def _with_depths(placed: Placed, *rooms: int) -> Placed:
    """A layer with queues before it, of these depths one each or one for all, where registers do not suffice."""
    # A word a clock fills that much of a queue without ever waiting. Where branches meet, registers are counted on.
    unused = REGISTERS if len(placed.joins) > 1 else queue.LATENCY + queue.BACK
    depths = [room if room > unused else 0 for room in rooms]
    if not depths:
        return placed
    joins = zip(placed.joins, depths * (len(placed.joins) // len(depths)), strict=True)
    return replace(placed, joins=tuple(replace(join, depth=depth) for join, depth in joins))


def timed(chosen: Chosen) -> tuple[int, int]:
    """The interval between images, and the cycles from the first word in to the last word out of the first."""
    network = _Network(chosen)
    network.run()
    return network.interval, network.latency


def timed_alone(placed: Placed) -> tuple[int, int]:
    """The same of one layer that nothing holds up."""
    ports = ports_of(placed.folding)
    shapes = (arriving.shape for arriving in placed.node.arriving)
    sources = [Source(math.prod(shape) // port.lanes * IMAGES) for shape, port in zip(shapes, ports, strict=True)]
    network = Network(sources[0].process())
    starts = [network.start, *(network.process(source.process()) for source in sources[1:])]
    sink = Sink()
    network.process(sink.process(), _layer(network, placed, starts))
    network.run()
    words = words_out(placed)
    done = sink.taken[words - 1 :: words]
    return interval(done), done[0] - min(source.taken[0] for source in sources)


class _Network:
    """All layers of a choice, timed."""

    def __init__(self, chosen: Chosen, pace: int = 0) -> None:
        self.source, self.sink = Source(words_in(chosen) * IMAGES, pace * IMAGES), Sink()
        self.words_out = words_out(chosen[-1])
        self.network = network = Network(self.source.process())
        self.queues: dict[str, list[Tap]] = {}
        taps = {INPUT: network.start}
        for placed in chosen:
            arriving = []
            self.queues[placed.node.name] = []
            for source, join in zip(placed.sources, placed.joins, strict=True):
                tap = taps[source]
                for stage in join.timing():
                    tap = network.through(tap, [stage])
                    if tap.buffer is not None and tap.buffer.room == join.depth:
                        self.queues[placed.node.name].append(tap)
                arriving.append(tap)
            given = _layer(network, placed, arriving)
            # A word leaves a layer's own buffer once, for all that read it.
            taps[placed.node.name] = network.process(wire(), given) if given.buffer else given
        last = network.through(taps[chosen[-1].node.name], end_of(chosen[-1].folding).timing())
        network.process(self.sink.process(), last)

    def run(self) -> None:
        """Run it once: sets `interval`, the cycles between images, and `latency`, those of the first."""
        self.network.run()
        done = self.sink.taken[self.words_out - 1 :: self.words_out]
        assert len(done) == IMAGES, "the network stopped"
        self.interval, self.latency = interval(done), done[0] - self.source.taken[0]

    def room_needed(self, tap: Tap) -> int:
        """The room that the buffer of `tap` needed."""
        return self.network.room_needed(tap)


def _layer(network: Network, placed: Placed, arriving: Sequence[Tap]) -> Tap:
    """A layer that reads `arriving`."""
    stages = iter(placed.folding.timing())
    if len(arriving) == 1:
        return network.through(arriving[0], stages)
    first = next(stages)
    assert not isinstance(first, Buffer)  # what reads several streams does so by itself
    return network.through(network.process(first, *arriving), stages)


def words_in(chosen: Sequence[Placed]) -> int:
    """Words that an image is, as the first layer that reads the model's input has it."""
    return math.prod(chosen[0].node.input_shape) // chosen[0].joins[0].i_lanes


def words_out(placed: Placed) -> int:
    """Words that the output of a layer is."""
    return math.prod(placed.node.output_shape) // placed.folding.o_lanes


def interval(*runs: Sequence[int]) -> int:
    """The median number of cycles between two neighbors, of runs that give the cycles in which images were finished."""
    return int(statistics.median(after - before for done in runs for before, after in pairwise(done)))
