"""The plan: how many lanes each layer gets, and what that costs. Pure data, before any hardware is made."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from ..errors import Refusal
from ..quant.graph import QGraph, QNode
from . import timing
from .choose import MOST_LUTS, Budget, Choice, Chosen, choose, cycle_targets, fastest, taken_by
from .join import JoinFolding
from .layer import Folding
from .resources import Device, Resources
from .timing import Buffer, Process, Sink, Source

FOLDINGS = Mapping[str, Callable[[QNode], Iterable[Folding]] | None]
"""For each layer kind, what lists its foldings; None for a kind that only renames the axes."""

IMAGES = 4
"""Images timed: the first gives the latency, the others the interval."""

GENERIC = Device("generic", "ecp5", Resources(luts=10_000, ffs=10_000, dsps=32, brams=64))
"""What is planned for where no board is named: small, so that simulating it is quick."""
GENERIC_MHZ = 100.0


@dataclass(frozen=True)
class LayerPlan:
    """One layer: its folding, the join before it, and the cycles of the layer alone, never held up."""

    node: QNode
    join: JoinFolding
    folding: Folding
    resources: Resources
    cycles: int
    latency: int

    def row(self) -> dict[str, Any]:
        """As printable data."""
        taken = self.resources
        return {
            "name": self.node.name, "kind": self.node.spec.kind,
            "i_lanes": self.folding.i_lanes, "o_lanes": self.folding.o_lanes,
            "cycles": self.cycles, "latency": self.latency, "multipliers": self.folding.multipliers,
            "dsps": taken.dsps, "memory_bits": self.folding.memory_bits, "brams": taken.brams,
            "luts": taken.luts, "ffs": taken.ffs,
        }  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """All layers, what they take together, and when they give their results.

    `cycles_per_image` is the interval between two images in a long run; `latency_cycles` goes from the cycle in
    which the first word of an image is taken to that in which its last result leaves, the pipeline being empty.
    `resources` are estimates and hold `reserved`, what is on the chip beside the layers.
    """

    name: str
    device: Device
    clock_mhz: float
    layers: tuple[LayerPlan, ...]
    resources: Resources
    cycles_per_image: int
    latency_cycles: int

    @property
    def end(self) -> JoinFolding:
        """The registers behind the last layer."""
        last = self.layers[-1].folding
        return JoinFolding(last.o, last.o_lanes, last.o_lanes)

    @property
    def words_in(self) -> int:
        """Words that an image is."""
        return _words_in(self.layers[0].node, self.layers[0].folding)

    @property
    def words_out(self) -> int:
        """Words that a result is."""
        return _words_out(self.layers[-1].node, self.layers[-1].folding)

    @property
    def images_per_second(self) -> float:
        """At the planned clock."""
        return self.clock_mhz * 1e6 / self.cycles_per_image

    def data(self) -> dict[str, Any]:
        """As printable data, under the names of the command line's `--json`."""
        taken = self.resources
        return {
            "name": self.name, "device": self.device.name, "clock_mhz": self.clock_mhz,
            "layers": [layer.row() for layer in self.layers],
            "cycles_per_image": self.cycles_per_image, "latency_cycles": self.latency_cycles,
            "images_per_second": self.images_per_second,
            "luts": taken.luts, "ffs": taken.ffs, "dsps": taken.dsps, "brams": taken.brams,
        }  # fmt: skip


def plan(
    qgraph: QGraph,
    foldings: FOLDINGS,
    device: Device = GENERIC,
    clock_mhz: float = GENERIC_MHZ,
    *,
    fps: float | None = None,
    reserved: Resources = Resources(),  # noqa: B008 (frozen)
) -> Plan:
    """Choose each layer's lanes: the cheapest that give `fps` images a second, or the fastest that fit `device`.

    `reserved` is kept free for what else is on the chip. Raises `Refusal` if even the smallest design does not
    fit, or if none that fits gives `fps`; both say what would.
    """
    if fps is not None and not fps > 0:
        raise Refusal(f"fps must be above 0, not {fps!r}")
    budget = Budget(device, reserved)
    listers = [(node, foldings[node.spec.kind]) for node in qgraph.nodes]
    choices = [Choice(node, lister(node), budget) for node, lister in listers if lister]
    if not choices:
        raise Refusal(f"model '{qgraph.name}' has no layer that needs hardware")
    slowest = choose(choices, cycle_targets(choices)[-1], budget)
    assert slowest is not None  # every folding takes at most that many cycles
    if lacking := budget.excess(slowest[1]):
        raise Refusal(
            f"{device.name} is too small: the smallest design takes {', '.join(lacking)}; name a larger board"
        )
    if fps is not None:
        return _meet(qgraph.name, choices, fastest(choices, budget) or slowest[0], budget, clock_mhz, fps)
    most = fastest(choices, replace(budget, most_luts=MOST_LUTS))
    return assemble(qgraph.name, most or slowest[0], budget, clock_mhz)


def _meet(name: str, choices: Sequence[Choice], most: Chosen, budget: Budget, clock_mhz: float, fps: float) -> Plan:
    """The cheapest plan of at least `fps` images a second; `most` is the fastest there is."""
    allowed = math.floor(clock_mhz * 1e6 / fps)
    for cycles in reversed([t for t in cycle_targets(choices) if t <= allowed]):
        found = choose(choices, cycles, budget)
        if found is None or budget.excess(found[1]):
            break
        result = assemble(name, found[0], budget, clock_mhz)
        if result.cycles_per_image <= allowed:
            return result
        # The gaps between rows and between images were too many: the next faster one.
    result = assemble(name, most, budget, clock_mhz)
    if result.cycles_per_image <= allowed:
        return result
    raise Refusal(
        f"{fps:g} images/s do not fit {budget.device.name} at {clock_mhz:g} MHz, "
        f"{int(result.images_per_second)} do; ask for fewer, or name a larger board"
    )


def assemble(name: str, chosen: Chosen, budget: Budget, clock_mhz: float) -> Plan:
    """The plan of a choice, timed."""
    layers = []
    for node, join, folding in chosen:
        interval, latency = _time(folding.timing(), _words_in(node, folding), _words_out(node, folding))
        taken = join.resources() + folding.resources(budget.device)
        layers.append(LayerPlan(node, join, folding, taken, interval, latency))
    taken = taken_by(chosen, budget.device) + budget.reserved
    words_in, words_out = _words_in(chosen[0][0], chosen[0][2]), _words_out(chosen[-1][0], chosen[-1][2])
    interval, latency = _time(_stages(chosen), words_in, words_out)
    return Plan(name, budget.device, clock_mhz, tuple(layers), taken, interval, latency)


def _stages(chosen: Chosen) -> Iterator[Process | Buffer]:
    for _, join, folding in chosen:
        yield from join.timing()
        yield from folding.timing()
    last = chosen[-1][2]
    yield from JoinFolding(last.o, last.o_lanes, last.o_lanes).timing()


def _time(stages: Iterable[Process | Buffer], words_in: int, words_out: int) -> tuple[int, int]:
    """The interval between images, and the cycles from the first word in to the last word out of the first."""
    source, sink = Source(words_in * IMAGES), Sink()
    timing.run([source.process(), *stages, sink.process()])
    done = sink.taken[words_out - 1 :: words_out]
    return interval(done), done[0] - source.taken[0]


def interval(done: Sequence[int]) -> int:
    """The median number of cycles between two neighbors of `done`, the cycles in which images were finished."""
    return int(statistics.median(after - before for before, after in pairwise(done)))


def _words_in(node: QNode, folding: Folding) -> int:
    return math.prod(node.input_shape) // folding.i_lanes


def _words_out(node: QNode, folding: Folding) -> int:
    return math.prod(node.output_shape) // folding.o_lanes
