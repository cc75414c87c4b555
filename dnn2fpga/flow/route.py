"""Placement and routing: nextpnr with one seed after the other, several at once, until the clock is met."""

from __future__ import annotations

import json
import re
import resource
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import joblib

from ..errors import Shortfall
from . import toolchain
from .board import Board
from .critical import shares
from .family import Family
from .placed import promised, tell_router
from .programs import Ended, Programs
from .seats import seat

SEEDS = 8
"""How many seeds are tried at most."""

PLACED = 4
"""How many seeds a dense design is placed with at most, of which one is routed: that takes longest."""

REACH = 1.25
"""How much faster than with the first seed a design is hoped to be with another. If that is not enough, none is tried:
seeds differ by some percent, and a large design takes half an hour for each.
"""

SURE = 0.99
"""How much of the clock that a dense design's placement promises its router is told to keep to."""

SPARE = 1.01
"""How much more than the clock asked for it is told, for in the end nextpnr finds up to 0.7 % less than the router."""

ROUNDS = 250
"""Rounds of the router after which it is not going to keep to it."""

EASIER = 0.995
"""By how much it is then told less, once: often some few of 100,000 connections are late by that."""

_ROUND = re.compile(r"iter=(\d+) wires=")
_STEPS = (
    (re.compile(r"Packing constants"), "packing cells"),
    (re.compile(r"Creating initial analytic placement|Running Static placer"), "placing"),
    (re.compile(r"Running simulated annealing placer"), "refining the placement"),
    (re.compile(r"Routing \d+ arcs|Running router2"), "routing"),
    (re.compile(r"\d+ \| +\d+ +\d+ \| +\d+ +\d+ \| +(\d+)\|"), "routing, {} arcs left"),
    (re.compile(r"iter=\d+ .*overused=(\d+)"), "routing, {} wires taken twice"),
)
"""By which lines of its log nextpnr's steps are known; for router1 and router2."""


class _Endless(Shortfall):
    """The router does not come to an end."""


@dataclass(frozen=True)
class Seed:
    """What a seed gives: the fastest clock of the design, as it is placed or routed. Where there are several, that is
    the smallest share of its own goal that any of them reaches, times the clock asked for.
    """

    seed: int
    fmax_mhz: float


@dataclass(frozen=True)
class _Placed(Seed):
    """A placed design: what each clock could be, by its net, and what is asked of it, in MHz."""

    clocks: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Routed(Seed):
    """A routed design: with nextpnr's report, and how many seeds it took."""

    report: Mapping[str, Any]
    tried: int = 1


_AnySeed = TypeVar("_AnySeed", bound=Seed)


def route(
    family: Family,
    board: Board,
    out: Path,
    clock_mhz: float,
    progress: Callable[[str], None],
    *,
    dense: bool = False,
) -> Routed:
    """Place and route `top.json` in the folder `out`, at `clock_mhz` if any of `SEEDS` seeds gives that.

    The lowest seed that meets the clock is kept, or else the fastest: the same on every machine, however many run at
    once. The first runs alone, and shows how much memory a run takes. A `dense` design is placed with up to `PLACED`
    seeds, at once from the first, and only the best is routed, for the clock that its placement promises. Where the
    first seed is farther than `REACH` from the clock, it is the only one. The routed design is then in `top.<ending>`;
    every run leaves its log, `nextpnr_<seed>.log`. `progress` is told of nextpnr's steps.

    Raises `Shortfall` as soon as the design is known to be too large, `toolchain.ToolError` if nextpnr fails.
    """
    for pattern in ("nextpnr_[1-9].log", "routed_[1-9].*", "placed_[1-9].*"):  # of a build before
        for stale in out.glob(pattern):
            stale.unlink()
    search = _Search(family, board, out, clock_mhz, progress)
    try:
        best = search.dense() if dense else search.all_in_one()
    finally:
        search.end()  # an interrupt too must not leave them running
        for large in out.glob("placed_[1-9].*"):
            large.unlink()
    search.routed(best.seed).replace(out / f"top.{family.routed}")
    for loser in out.glob("routed_[1-9].*"):
        loser.unlink()
    return best


def _best(found: Sequence[_AnySeed], enough_mhz: float) -> tuple[_AnySeed, int]:
    """The first that is fast enough, or else the fastest; and how many seeds it took."""
    for at, one in enumerate(found, 1):
        if one.fmax_mhz >= enough_mhz:
            return one, at
    return max(found, key=lambda one: one.fmax_mhz), len(found)


def _at_once() -> int:
    """How many runs there are cores and memory for, each as large as the largest program that this build ran, or it."""
    # In kB, and so is what follows.
    largest = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    meminfo = Path("/proc/meminfo").read_text(encoding="ascii")
    available = int(re.findall(r"MemAvailable: *(\d+)", meminfo)[0])
    return max(1, min(joblib.cpu_count(), available // largest))


class _Search:
    """Runs of nextpnr, of which those are ended that cannot be kept any more."""

    def __init__(
        self, family: Family, board: Board, out: Path, clock_mhz: float, progress: Callable[[str], None]
    ) -> None:
        self._family, self._board, self._out, self._clock_mhz = family, board, out, clock_mhz
        self._progress = progress
        self._programs = Programs()
        self._lock = threading.Lock()
        self._steps: dict[int, str] = {}

    def all_in_one(self) -> Routed:
        """Place and route, seed after seed, until the clock is met."""
        found = self._run(self._place_and_route, [1], self._clock_mhz, at_once=1)
        if found[0].fmax_mhz < self._clock_mhz <= found[0].fmax_mhz * REACH:
            found += self._run(self._place_and_route, range(2, SEEDS + 1), self._clock_mhz, at_once=_at_once())
        best, tried = _best(found, self._clock_mhz)
        return replace(best, tried=tried)

    def dense(self) -> Routed:
        """Place with several seeds, until the clock is promised or the first is far from it, and route the best."""
        enough = SPARE * self._clock_mhz / SURE
        found = self._run(
            self._place, range(1, PLACED + 1), enough, too_few_mhz=self._clock_mhz / REACH, at_once=_at_once()
        )
        placed, tried = _best(found, enough)
        return replace(self._route_placed(placed), tried=tried)

    def end(self) -> None:
        """End all."""
        self._programs.end_above(0)

    def routed(self, seed: int) -> Path:
        """The file with the routed design."""
        return self._out / f"routed_{seed}.{self._family.routed}"

    def _run(
        self,
        step: Callable[[int], _AnySeed],
        seeds: Sequence[int],
        enough_mhz: float,
        *,
        too_few_mhz: float = 0,
        at_once: int,
    ) -> list[_AnySeed]:
        """What the seeds give, in their order, but for those above one that gives enough, or the first too few."""

        def one(seed: int) -> _AnySeed | None:
            try:
                found = step(seed)
            except Ended:
                return None
            finally:
                with self._lock:
                    self._steps.pop(seed, None)
            if found.fmax_mhz >= enough_mhz or (seed == seeds[0] and found.fmax_mhz < too_few_mhz):
                self._programs.end_above(seed)
            return found

        parallel = joblib.Parallel(n_jobs=at_once, backend="threading", batch_size=1)
        return [found for found in parallel(joblib.delayed(one)(seed) for seed in seeds) if found]

    def _place_and_route(self, seed: int) -> Routed:
        return self._judged(seed, self._route(seed, "top.json", *self._family.placer))

    def _route(self, seed: int, design: str, *options: str, constraints: str | None = None) -> dict[str, Any]:
        """Route, with whatever steps before that `options` leave. Gives nextpnr's report."""
        report_path = self._out / f"routed_{seed}.json"
        how = (self._family.routed_option, self.routed(seed).name, "--report", report_path.name)
        self._nextpnr(seed, design, *options, *how, constraints=constraints)
        report: dict[str, Any] = json.loads(report_path.read_text())
        return report

    def _judged(self, seed: int, report: Mapping[str, Any]) -> Routed:
        return Routed(seed, min(shares(report).values()) * self._clock_mhz, report)

    def _place(self, seed: int) -> _Placed:
        """Place a dense design, into `placed_<seed>.json`, a hundred megabytes, and seat its multipliers anew."""
        options = (*self._family.dense, "--no-route", "--write", f"placed_{seed}.json")
        clocks = promised(self._nextpnr(seed, "top.json", *options))
        seated = seat(self._out / f"placed_{seed}.json", {name: gives for name, (gives, _) in clocks.items()})
        clocks = {name: (seated[name], asked) for name, (_, asked) in clocks.items()}
        return _Placed(seed, min(gives / asked for gives, asked in clocks.values()) * self._clock_mhz, clocks)

    def _route_placed(self, best: _Placed) -> Routed:
        """Route it, for the clock asked for or that which its placement promises, if it can be kept."""
        placed = self._out / f"placed_{best.seed}.json"
        for ease, insists in ((1, True), (EASIER, True), (1, False)):
            told = {name: ease * min(SPARE * asked, SURE * gives) for name, (gives, asked) in best.clocks.items()}
            constraints = tell_router(placed, told, insists=insists)
            steps = ("--no-pack", "--no-place")
            try:
                report = self._route(best.seed, placed.name, *steps, constraints=constraints.name)
            except _Endless as why:
                endless = why
                continue
            for name, (_, asked) in best.clocks.items():  # by which it is judged
                report["fmax"][name]["constraint"] = asked
            return self._judged(best.seed, report)
        raise endless

    def _nextpnr(self, seed: int, design: str, *options: str, constraints: str | None = None) -> list[str]:
        """Run nextpnr on a design, and look through its log meanwhile. Gives that, line by line."""
        family, said = self._family, []
        command = [
            *toolchain.find(family.nextpnr),
            *self._board.nextpnr,
            *("--json", design),
            *(f"--{family.constraints}", constraints or f"top.{family.constraints}"),
            *options,
            *("--freq", f"{self._clock_mhz:.3f}"),
            *("--seed", str(seed)),
            "--timing-allow-fail",  # judged here, with the figure
        ]
        with (
            (self._out / f"nextpnr_{seed}.log").open("a", encoding="utf-8", buffering=1) as log,
            self._programs.run(seed, command, self._out) as process,
        ):
            assert process.stdout is not None
            for line in process.stdout:
                log.write(line)
                said.append(line)
                self._refuse_over_full(line)
                self._tell(seed, line)
                if (rounds := _ROUND.search(line)) and int(rounds[1]) > ROUNDS:
                    raise _Endless(
                        f"the design is too dense for {self._board.name}: its routing does not come to an end"
                    )
        if process.returncode != 0:
            raise toolchain.failure(family.nextpnr, process.returncode, "".join(said))
        return said

    def _refuse_over_full(self, line: str) -> None:
        # nextpnr goes on placing an over-full design for ever.
        if (use := re.search(r"(\w+): *(\d+)/ *(\d+) ", line)) and int(use[2]) > int(use[3]):
            raise Shortfall(
                f"the design is too large for {self._board.name}: {use[2]} {use[1]} of {use[3]}",
                {self._family.placed.get(use[1], use[1]): int(use[2])},
            )
        if "Unable to find legal placement for all cells" in line:
            raise Shortfall(f"the design is too dense for {self._board.name}: not all of its cells find a place", {})

    def _tell(self, seed: int, line: str) -> None:
        """Of the step that begins with `line` of the log, if one does."""
        for pattern, step in _STEPS:
            if said := pattern.search(line):
                with self._lock:
                    self._steps[seed] = step.format(*said.groups())
                    doing = "; ".join(f"seed {of} {step}" for of, step in sorted(self._steps.items()))
                self._progress(f"placing and routing: {doing}")
