"""The plan: how many lanes each layer gets, and what that costs. Pure data, before any hardware is made."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

from ..errors import Refusal
from ..quant.graph import QGraph
from .choose import (
    FOLDINGS,
    MOST_LUTS,
    Budget,
    Choice,
    Chosen,
    Placed,
    choices_of,
    choose,
    cycle_targets,
    end_of,
    fastest,
    taken_by,
)  # fmt: skip
from .fused import ended, fused
from .join import JoinFolding
from .layer import Port
from .resources import BOUNDLESS, Device, Resources
from .schedule import timed, timed_alone, with_queues, words_in, words_out

GENERIC = Device("generic", "ecp5", Resources(luts=10_000, ffs=10_000, dsps=32, brams=64))
"""What is planned for where no board is named: small, so that simulating it is quick."""
GENERIC_MHZ = 100.0
LARGE = Device("generic", "ecp5", Resources(luts=1_000_000, ffs=1_000_000, dsps=1_000, brams=10_000))
"""The same for a model that is too large for that."""

LEEWAY = 1.5
"""A design larger than `MOST_LUTS` may be so many times as large as the smallest, to be faster, of its own accord."""


@dataclass(frozen=True)
class LayerPlan(Placed):
    """One layer in hardware, what it takes, and the cycles of the layer alone, never held up."""

    taken: Resources

    @cached_property
    def _alone(self) -> tuple[int, int]:
        # Only a report asks for it, and large layers take seconds.
        return timed_alone(self)

    @property
    def cycles(self) -> int:
        """The interval between images."""
        return self._alone[0]

    @property
    def latency(self) -> int:
        """From the first word in to the last word out of an image."""
        return self._alone[1]

    def row(self) -> dict[str, Any]:
        """As printable data."""
        taken = self.taken
        return {
            "name": self.node.name, "kind": self.node.spec.kind, "inputs": list(self.sources),
            "i_lanes": self.folding.i_lanes, "o_lanes": self.folding.o_lanes,
            "cycles": self.cycles, "latency": self.latency, "multipliers": self.folding.multipliers,
            "dsps": taken.dsps, "memory_bits": self.folding.memory_bits, "brams": taken.brams,
            "luts": taken.luts, "ffs": taken.ffs, "queues": [join.depth for join in self.joins],
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
        return end_of(self.layers[-1].folding)

    @property
    def start(self) -> Port:
        """What images come as: as the first layer that reads them takes them."""
        first = self.layers[0].joins[0]
        return Port(first.shape, first.i_lanes)

    @property
    def words_in(self) -> int:
        """Words that an image is."""
        return words_in(self.layers)

    @property
    def words_out(self) -> int:
        """Words that a result is."""
        return words_out(self.layers[-1])

    def up_to(self, name: str) -> Plan:
        """The layer `name` and all that it needs; the cycles are still those of the whole."""
        wanted, kept = {name}, []
        for layer in reversed(self.layers):
            if layer.node.name in wanted:
                wanted.update(layer.sources)
                kept.append(layer)
        kept[0] = replace(kept[0], folding=ended(kept[0].folding))
        return replace(self, layers=tuple(reversed(kept)))

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


class TooSmall(Refusal):
    """Even the smallest design does not fit: of the resources `lacking` it takes more than there are."""

    def __init__(self, budget: Budget, taken: Resources) -> None:
        self.lacking = tuple(budget.excess(taken))
        figures = budget.figures(taken, self.lacking)
        super().__init__(f"{budget.device.name} is too small: the smallest design takes {figures}")


def plan(
    qgraph: QGraph,
    foldings: FOLDINGS,
    device: Device = GENERIC,
    clock_mhz: float = GENERIC_MHZ,
    *,
    fps: float | None = None,
    latency_us: float | None = None,
    reserved: Resources = Resources(),  # noqa: B008 (frozen)
    most: Resources = BOUNDLESS,
) -> Plan:
    """Choose each layer's lanes: the fastest that fit `device`, or the cheapest that reach a goal.

    Goals are `fps`, images a second at least, and `latency_us`, microseconds at most from the first word of an image
    to its last result. `reserved` is kept free for what else is on the chip, and `most` is all that may be taken, with
    that. Raises `TooSmall` if even the smallest
    design does not fit, and `Refusal`, which says what would, if none that fits reaches the goal.
    """
    for name, value in (("fps", fps), ("latency", latency_us)):
        if value is not None and not value > 0:
            raise Refusal(f"{name} must be above 0, not {value!r}")
    budget = Budget(device, reserved, most)
    choices = choices_of(qgraph, foldings, budget)
    if not choices:
        raise Refusal(f"model '{qgraph.name}' has no layer that needs hardware")
    if fps is not None or latency_us is not None:
        goal = Goal(clock_mhz, fps or 0.0, latency_us or math.inf)
        return _meet(qgraph.name, choices, budget, clock_mhz, goal)
    slowest = choose(choices, cycle_targets(choices)[-1], budget)
    luts = min(most.luts, max(MOST_LUTS, int(slowest[1].luts * LEEWAY)))
    found = _fastest(qgraph.name, choices, replace(budget, most=replace(most, luts=luts)), clock_mhz)
    return found or smallest(qgraph.name, choices, budget, clock_mhz)


@dataclass(frozen=True)
class Goal:
    """At least `fps` images a second, 0 for any, and at most `latency_us` an image, `inf` for any; at a clock."""

    clock_mhz: float
    fps: float
    latency_us: float

    @property
    def cycles(self) -> float:
        """The most cycles between images."""
        return self.clock_mhz * 1e6 / self.fps if self.fps else math.inf

    def reached(self, plan: Plan) -> bool:
        """Whether a plan reaches it."""
        return plan.cycles_per_image <= self.cycles and plan.latency_cycles <= self.clock_mhz * self.latency_us


def smallest(name: str, choices: Sequence[Choice], budget: Budget, clock_mhz: float) -> Plan:
    """The plan of fewest resources. Raises `TooSmall` if it does not fit, before its queues are known if it can."""
    chosen, taken = choose(choices, cycle_targets(choices)[-1], budget)
    if budget.excess(taken):
        raise TooSmall(budget, taken)
    result = assemble(name, chosen, budget, clock_mhz)
    if _excess(result, budget):
        raise TooSmall(budget, result.resources - budget.reserved)
    return result


def _fastest(name: str, choices: Sequence[Choice], budget: Budget, clock_mhz: float) -> Plan | None:
    """The plan of fewest cycles that fits with its queues, as near as that is found; None if none does.

    Queues are known only once a choice is timed: where they are too large, the search begins anew with room for such.
    """
    kept = budget
    while chosen := fastest(choices, kept):
        result = assemble(name, chosen, budget, clock_mhz)
        if not _excess(result, budget):
            return _hastened(_queued(result, chosen, budget), choices, chosen, budget)
        # More than is kept already of some resource, for else it would have fitted: so this ends.
        kept = replace(kept, reserved=kept.reserved.most(result.resources - taken_by(chosen, budget.device)))
    return None


PACES = 1.0, 1.02, 1.05, 1.1, 1.2, 1.4
"""Paces that are tried with queues, in cycles of the slowest layer: what it spends on gaps is seldom a fiftieth."""


def _slowest(chosen: Chosen) -> int:
    """The cycles of the slowest layer, never held up."""
    return max(placed.folding.least_cycles for placed in chosen)


def _queued(plain: Plan, chosen: Chosen, budget: Budget) -> Plan:
    """The plan with queues, if they make it faster and fit."""
    slowest = _slowest(chosen)
    for pace in (math.ceil(slowest * pace) for pace in PACES):
        if pace >= plain.cycles_per_image:
            break
        result = assemble(plain.name, chosen, budget, plain.clock_mhz, pace)
        if result.cycles_per_image < plain.cycles_per_image and not _excess(result, budget):
            return result
    return plain


HASTE = 0.75, 0.5
"""Shares of the slowest layer's cycles in which the others are tried, where bursts hold up one that is as slow."""


def _hastened(found: Plan, choices: Sequence[Choice], chosen: Chosen, budget: Budget) -> Plan:
    """The plan, or one with faster layers around the slowest, if that is faster and fits."""
    slowest = _slowest(chosen)
    for share in HASTE:
        if found.cycles_per_image <= slowest * PACES[1]:
            break
        faster, taken = choose(choices, int(slowest * share), budget)
        if budget.excess(taken):
            break
        plain = assemble(found.name, faster, budget, found.clock_mhz)
        if not _excess(plain, budget):
            found = min(found, _queued(plain, faster, budget), key=lambda each: each.cycles_per_image)
    return found


def _excess(assembled: Plan, budget: Budget) -> list[str]:
    """What a plan takes too much of, its queues counted."""
    return budget.excess(assembled.resources - budget.reserved)


def _meet(name: str, choices: Sequence[Choice], budget: Budget, clock_mhz: float, goal: Goal) -> Plan:
    """The cheapest plan that reaches a goal: the slowest one of those tried."""
    targets = list(_thinned([target for target in cycle_targets(choices) if target <= goal.cycles]))

    @cache
    def tried(at: int) -> Plan | None:
        """The plan for a target, None if it is too large."""
        chosen, taken = choose(choices, targets[at], budget)
        if budget.excess(taken):
            return None
        queued, at_best = with_queues(chosen)
        result = _timed(name, queued, budget, clock_mhz) if at_best <= goal.cycles else None
        if result is None or result.cycles_per_image > goal.cycles:
            # Bursts hold up a layer that needs all the time there is. Queues may mend that, or a faster one must.
            result = assemble(name, chosen, budget, clock_mhz, int(goal.cycles))
        return result

    def enough(at: int) -> bool:
        """Whether a target is fast enough; one that is too large is, and all faster ones are larger."""
        result = tried(at)
        return result is None or (goal.reached(result) and not _excess(result, budget))

    at = _first(len(targets), enough)
    if at < len(targets) and (found := tried(at)):
        return found
    most = _fastest(name, choices, budget, clock_mhz) or smallest(name, choices, budget, clock_mhz)
    if goal.reached(most):
        return most
    if most.cycles_per_image > goal.cycles:
        raise Refusal(
            f"{goal.fps:g} images/s do not fit {budget.device.name} at {clock_mhz:g} MHz, "
            f"{int(most.images_per_second)} do; ask for fewer, or name a larger board"
        )
    raise Refusal(
        f"a latency of {goal.latency_us:g} µs is not reached on {budget.device.name} at {clock_mhz:g} MHz, "
        f"{math.ceil(most.latency_cycles / clock_mhz)} µs is; ask for that, or name a larger board"
    )


def _first(n: int, enough: Callable[[int], bool]) -> int:
    """The first of `n` that is enough, where all behind it are; `n` if none is. Few are asked: each takes a while."""
    low, step = 0, 1
    while low + step <= n and not enough(low + step - 1):
        low, step = low + step, 2 * step
    return low + bisect_left(range(low, min(low + step - 1, n)), True, key=enough)


THINNED = 0.98
"""Of targets closer together than that only the slowest is tried: each takes a second in a large model."""


def _thinned(targets: Sequence[int]) -> Iterator[int]:
    """From the slowest target on, such as differ enough to be worth a try."""
    last = math.inf
    for target in reversed(targets):
        if target <= last * THINNED:
            last = target
            yield target


def assemble(name: str, chosen: Chosen, budget: Budget, clock_mhz: float, pace: int = 0) -> Plan:
    """The plan of a choice, timed, with queues where branches meet, and where a `pace` asks for them."""
    queued, _ = with_queues(chosen, pace)
    return _timed(name, queued, budget, clock_mhz)


def _timed(name: str, queued: Chosen, budget: Budget, clock_mhz: float) -> Plan:
    """The plan of a choice that has its queues."""
    chosen = fused(queued)
    layers = [
        LayerPlan(placed.node, placed.sources, placed.joins, placed.folding, placed.resources(budget.device))
        for placed in chosen
    ]
    taken = taken_by(chosen, budget.device) + budget.reserved
    interval, latency = timed(chosen)
    return Plan(name, budget.device, clock_mhz, tuple(layers), taken, interval, latency)
