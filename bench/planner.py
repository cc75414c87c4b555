"""How near the search for lanes comes to the best there is: its choices beside those of an integer program.

    pip install -e '.[bench]'
    python bench/planner.py

For each network, board and speed the program (SciPy's, HiGHS) picks a folding of each layer, and what stands between
two layers, at the least cost that the budget allows: the search's own measure. Multipliers may be exchanged for LUTs in
any part, and what the adders of an unrolled layer take is a lower bound, so that no plan can cost less. It prints
by how much ours costs more, and writes `planner.json` to `--out`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from costs import MODELS
from dnn2fpga.platforms import find
from made_with import made_with
from scipy.optimize import LinearConstraint, milp
from scipy.sparse import lil_matrix

from dnn2fpga.design import LINK
from dnn2fpga.hw.choose import Budget, Choice, choices_of, choose, cycle_targets
from dnn2fpga.hw.join import JoinFolding
from dnn2fpga.hw.layer import Folding, ports_of
from dnn2fpga.hw.resources import Resources
from dnn2fpga.kinds import FOLDINGS
from dnn2fpga.model.graph import INPUT

NAMES = [f.name for f in fields(Resources)]
CASES = [
    *(("seed CNN", board) for board in ("ulx3s_85f", "ulx3s_12f")),
    *(("jet MLP, 8 bits", board) for board in ("ulx3s_85f", "ulx3s_12f", "icebreaker")),
    *(("jet MLP, 4 bits", board) for board in ("ulx3s_12f", "icebreaker")),
    *(("MLP", board) for board in ("ulx3s_12f", "icebreaker", "ice40_hx8k_b_evn")),
    *((name, "ulx3s_85f") for name in ("1-D CNN", "two and two", "U-shaped")),
]
SPEEDS = 8
"""Targets of each, spread over all that there are."""


def main() -> None:
    """Compare, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("bench/results"))
    arguments = parser.parse_args()
    rows = []
    for name, board in CASES:
        qgraph = MODELS[name]()
        assert qgraph is not None
        device = find(board).device
        budget = Budget(device, LINK[device.family])
        choices = choices_of(qgraph, FOLDINGS, budget)
        targets = cycle_targets(choices)
        slowest = max(choice.least_cycles for choice in choices)
        targets = [cycles for cycles in targets if cycles >= slowest]
        for cycles in targets[:: -(-len(targets) // SPEEDS)]:
            row = compared(choices, cycles, budget)
            rows.append({"network": name, "board": board, "cycles": cycles, **row})
            print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    fit = [row["more_percent"] for row in rows if row["fits"]]
    answer = {
        "plans": len(rows), "fit": len(fit), "median_percent": statistics.median(fit), "worst_percent": max(fit),
        "missed": sum(row["best_fits"] and not row["fits"] for row in rows), "with": made_with("scipy"), "rows": rows,
    }  # fmt: skip
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "planner.json").write_text(json.dumps(answer, indent=2) + "\n", encoding="utf-8")
    print({key: value for key, value in answer.items() if key not in ("rows", "with")})


def compared(choices: Sequence[Choice], cycles: int, budget: Budget) -> dict[str, Any]:
    """What the search chooses, whether it fits, and by how much it costs more than any plan must."""
    start = time.perf_counter()
    chosen, _ = choose(choices, cycles, budget)
    seconds = time.perf_counter() - start
    taken = sum((placed.resources(budget.device) for placed in chosen), Resources())
    cost, best = budget.cost(taken), least_cost(choices, cycles, budget)
    return {
        "fits": not budget.excess(taken), "best_fits": best is not None,
        "more_percent": round(100 * (cost / best - 1), 1) if best else None, "seconds": round(seconds, 2),
    }  # fmt: skip


class Program:
    """An integer program, row by row: the least sum of costs."""

    def __init__(self) -> None:
        self.cost: list[float] = []
        self.whole: list[int] = []
        self.rows: list[tuple[dict[int, float], float, float]] = []

    def variable(self, cost: float, *, whole: bool = False) -> int:
        """One more, from 0 on."""
        self.cost.append(cost)
        self.whole.append(int(whole))
        return len(self.cost) - 1

    def require(self, terms: dict[int, float], low: float, high: float) -> None:
        """That a sum lies between two values."""
        self.rows.append((terms, low, high))

    def least(self) -> float | None:
        """The least cost, None if nothing is allowed."""
        matrix = lil_matrix((len(self.rows), len(self.cost)))
        for at, (terms, _, _) in enumerate(self.rows):
            for index, factor in terms.items():
                matrix[at, index] = factor
        bounds = LinearConstraint(matrix.tocsr(), [row[1] for row in self.rows], [row[2] for row in self.rows])
        found = milp(self.cost, integrality=self.whole, constraints=bounds, options={"mip_rel_gap": 1e-3})
        return None if found.x is None else float(found.fun)


def least_cost(choices: Sequence[Choice], cycles: int, budget: Budget) -> float | None:
    """What every choice within the budget costs at least."""
    program = Program()
    taken: dict[str, dict[int, float]] = {name: {} for name in NAMES}

    def add(part: Resources, *, whole: bool = False) -> int:
        index = program.variable(budget.cost(part), whole=whole)
        for name in NAMES:
            taken[name][index] = getattr(part, name)
        return index

    gives: dict[str, dict[int, list[int]]] = {}  # of each layer, its foldings by the lanes that they give
    for choice in choices:
        mine: dict[int, list[int]] = defaultdict(list)
        takes: list[dict[int, list[int]]] = [defaultdict(list) for _ in choice.sources]
        every = []
        for folding, resources in choice.foldings:
            if folding.least_cycles > max(cycles, choice.least_cycles):
                continue
            index = add(resources, whole=True)
            every.append(index)
            mine[folding.o_lanes].append(index)
            for port, lanes in zip(ports_of(folding), takes, strict=True):
                lanes[port.lanes].append(index)
            if exchange := cheapest_exchange(folding, resources, budget):
                soft = add(exchange)
                program.require({soft: 1.0, index: -resources.dsps}, -np.inf, 0)
        program.require(dict.fromkeys(every, 1.0), 1, 1)
        for at, (source, lanes) in enumerate(zip(choice.sources, takes, strict=True)):
            shape = ports_of(choice.foldings[0][0])[at].shape
            pairs: dict[tuple[int, int], int] = {}
            for there in [*gives[source]] if source != INPUT else [0]:
                for here in lanes:
                    join = JoinFolding(shape, there or here, here)
                    pairs[there, here] = add(join.resources(budget.device))
            for here, indexes in lanes.items():
                terms = {index: 1.0 for (_, to), index in pairs.items() if to == here}
                program.require({**terms, **dict.fromkeys(indexes, -1.0)}, 0, 0)
            for there, indexes in gives[source].items() if source != INPUT else ():
                terms = {index: 1.0 for (of, _), index in pairs.items() if of == there}
                program.require({**terms, **dict.fromkeys(indexes, -1.0)}, 0, 0)
        gives[choice.node.name] = mine
    for name in NAMES:
        program.require(taken[name], -np.inf, getattr(budget.room, name))
    return program.least()


def cheapest_exchange(folding: Folding, taken: Resources, budget: Budget) -> Resources | None:
    """What one hard multiplier less takes more, of the way of least cost; None where there is none."""
    ways = []
    for instead in folding.with_fewer_dsps(1):
        after = instead.resources(budget.device)
        if (fewer := taken.dsps - after.dsps) > 0:
            change = after - taken
            ways.append(Resources(change.luts // fewer, change.ffs // fewer, -1, 0))
    return min(ways, key=budget.cost, default=None)


if __name__ == "__main__":
    main()
