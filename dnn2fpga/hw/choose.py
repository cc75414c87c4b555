"""The search for lanes: for each layer the cheapest folding that is fast enough, all of them within a budget."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

from ..model.graph import INPUT
from ..quant.graph import QGraph, QNode
from .join import JoinFolding
from .layer import Folding, lower_bound, ports_of, variants
from .resources import BOUNDLESS, Device, Resources

FILL = {"ecp5": 0.6, "ice40": 0.82}
"""The share of the LUTs that a design may fill: beyond it routing takes long, and the clock suffers. Of an iCE40
UP5K 4,417 cells (84 %) were placed and routed in a minute, 4,614 (87 %) not placed in six.
"""

MOST_LUTS = 20_000
"""A design that is to be as fast as it can takes no more than these of its own accord, however large the chip: nextpnr
placed and routed 6,700 in four minutes, but 45,000 not in sixteen."""


SOFT = Resources(luts=154, ffs=64)
"""What a multiplier of 8 by 8 bits takes where it is made of LUTs."""

FOLDINGS = Mapping[str, Callable[[QNode], Iterable[Folding]] | None]
"""For each layer kind, what lists its foldings; None for a kind that only renames the axes."""


@dataclass(frozen=True)
class Budget:
    """What may be taken of `device`, `reserved` kept free for what else is on the chip; no more than `most` with it."""

    device: Device
    reserved: Resources
    most: Resources = BOUNDLESS

    @property
    def room(self) -> Resources:
        """What is left for the layers."""
        total = self.device.budget
        there = replace(total, luts=int(total.luts * FILL[self.device.family])).least(self.most)
        return (there - self.reserved).most(Resources())

    def cost(self, taken: Resources) -> float:
        """One figure to compare foldings by: the shares of each resource, added up.

        A hard multiplier costs no more than one of LUTs, which can take its place where the hard ones are too few.
        """
        room = self.room

        def share(part: Resources) -> float:
            return sum(getattr(part, f.name) / max(1, getattr(room, f.name)) for f in fields(Resources))

        one = min(share(Resources(dsps=1)), share(SOFT))
        return share(replace(taken, dsps=0)) + one * taken.dsps

    def excess(self, taken: Resources) -> list[str]:
        """The name of each resource of which more is taken than there is: none, if it fits."""
        return [f.name for f in fields(Resources) if getattr(taken, f.name) > getattr(self.room, f.name)]

    def figures(self, taken: Resources, names: Iterable[str]) -> str:
        """How much of each resource `names` is taken, and how much there is, as text."""
        return ", ".join(f"{getattr(taken, name):,} of {getattr(self.room, name):,} {name}" for name in names)


class Choice:
    """One layer and its foldings, with what each takes, worked out once. `sources` are the layers that it reads.

    What some take is a lower bound, until `work_out` is called: the adders of an unrolled layer take seconds to find,
    and most layers are much cheaper folded.
    """

    def __init__(self, node: QNode, sources: tuple[str, ...], foldings: Iterable[Folding], budget: Budget) -> None:
        self.node, self.sources, self.device = node, sources, budget.device
        every = (variant for folding in foldings for variant in variants(folding, budget.device))
        self.foldings: list[tuple[Folding, Resources]] = []
        self._rough: set[int] = set()
        for at, folding in enumerate(every):
            bound = lower_bound(folding, budget.device)
            self.foldings.append((folding, bound or folding.resources(budget.device)))
            if bound:
                self._rough.add(at)
        self.least_cycles = min(folding.least_cycles for folding, _ in self.foldings)

    def work_out(self, at: int) -> bool:
        """Make sure what folding number `at` takes; whether that was not known before."""
        if at not in self._rough:
            return False
        self._rough.remove(at)
        folding, _ = self.foldings[at]
        self.foldings[at] = folding, folding.resources(self.device)
        return True

    def cheapest(self, cycles: int, lanes: Mapping[str, int], budget: Budget) -> Placed:
        """The cheapest folding of at most `cycles`, or if none is so fast of the fastest; `lanes` come in a word."""
        found: list[tuple[float, int, tuple[JoinFolding, ...]]] = []
        for at, (folding, taken) in enumerate(self.foldings):
            if folding.least_cycles > max(cycles, self.least_cycles):
                continue
            joins = tuple(
                JoinFolding(port.shape, lanes.get(source, port.lanes), port.lanes)
                for source, port in zip(self.sources, ports_of(folding), strict=True)
            )
            cost = budget.cost(sum((join.resources(budget.device) for join in joins), taken))
            found.append((cost, at, joins))
        _, at, joins = min(found, key=lambda each: each[:2])
        if self.work_out(at):
            return self.cheapest(cycles, lanes, budget)
        return Placed(self.node, self.sources, joins, self.foldings[at][0])


@dataclass(frozen=True)
class Placed:
    """A layer in hardware: what it reads, the joins before it, one for each of its inputs, and its folding."""

    node: QNode
    sources: tuple[str, ...]
    joins: tuple[JoinFolding, ...]
    folding: Folding

    def resources(self, device: Device) -> Resources:
        """What it and its joins take."""
        return sum((join.resources(device) for join in self.joins), self.folding.resources(device))


Chosen = list[Placed]


def choices_of(qgraph: QGraph, foldings: FOLDINGS, budget: Budget) -> list[Choice]:
    """The layers that need hardware, each with all its foldings."""
    behind = {INPUT: INPUT}  # of what a layer reads, the last before it that is hardware
    choices = []
    for node in qgraph.nodes:
        lister = foldings[node.spec.kind]
        if lister is None:
            behind[node.name] = behind[node.inputs[0]]
        else:
            behind[node.name] = node.name
            choices.append(Choice(node, tuple(behind[name] for name in node.inputs), lister(node), budget))
    return choices


def choose(choices: Sequence[Choice], cycles: int, budget: Budget) -> tuple[Chosen, Resources]:
    """The cheapest folding of each layer that takes at most `cycles` an image, and what all take together.

    Of a layer that cannot be so fast it is the cheapest of the fastest. Hard multipliers that are too many become
    LUTs, where that costs least. The result need not fit the budget.
    """
    chosen: Chosen = []
    lanes: dict[str, int] = {}  # values a word of each tensor; the model's input as its first reader wants
    for choice in choices:
        best = choice.cheapest(cycles, lanes, budget)
        chosen.append(best)
        lanes[best.node.name] = best.folding.o_lanes
        lanes.setdefault(INPUT, best.joins[0].i_lanes)
    return _within_dsps(chosen, budget)


def taken_by(chosen: Chosen, device: Device) -> Resources:
    """What all layers, their joins and the registers at the end take."""
    end = end_of(chosen[-1].folding).resources(device)
    return device.packed(sum((placed.resources(device) for placed in chosen), end))


def end_of(last: Folding) -> JoinFolding:
    """The registers behind the last layer."""
    return JoinFolding(last.o, last.o_lanes, last.o_lanes)


def _within_dsps(chosen: Chosen, budget: Budget) -> tuple[Chosen, Resources]:
    """Move multipliers into LUTs, the cheapest exchange first, until the hard ones suffice."""
    chosen = list(chosen)
    while (excess := (taken := taken_by(chosen, budget.device)).dsps - budget.room.dsps) > 0:
        exchanges = []
        for at, placed in enumerate(chosen):
            before = placed.folding.resources(budget.device)
            for instead in placed.folding.with_fewer_dsps(excess):
                after = instead.resources(budget.device)
                if after.dsps < before.dsps:
                    price = (after.luts - before.luts) / (before.dsps - after.dsps)
                    exchanges.append((price, at, replace(placed, folding=instead)))
        if not exchanges:
            break
        _, at, exchanged = min(exchanges, key=lambda exchange: exchange[:2])
        chosen[at] = exchanged
    return chosen, taken


def fastest(choices: Sequence[Choice], budget: Budget) -> Chosen | None:
    """The choice of fewest cycles that fits the budget; None if none does."""
    slowest = max(choice.least_cycles for choice in choices)
    targets = [cycles for cycles in cycle_targets(choices) if cycles >= slowest]
    best: Chosen | None = None
    low, high = 0, len(targets)
    while low < high:  # fewer cycles only take more room
        middle = (low + high) // 2
        chosen, taken = choose(choices, targets[middle], budget)
        if not budget.excess(taken):
            best, high = chosen, middle
        else:
            low = middle + 1
    return best


def cycle_targets(choices: Sequence[Choice]) -> list[int]:
    """Every number of cycles that some folding takes, rising: no other can be the slowest layer's."""
    return sorted({folding.least_cycles for choice in choices for folding, _ in choice.foldings})
