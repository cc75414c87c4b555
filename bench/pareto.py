"""Throughput against LUTs: the plans of the seed CNN, those of them that were routed, and the peers.

    pip install -e '.[bench]'
    python bench/pareto.py

It plans the network for many speeds, takes what was routed from `peers.json`, and writes `pareto.svg` and the plans,
`pareto.json`, to `--out`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from dnn2fpga.platforms import find
from made_with import made_with
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator
from networks import seed_cnn
from open_flow import BOARD

import dnn2fpga as d2f
from dnn2fpga.errors import Refusal

NETWORK = "seed CNN"
MHZ = 100.0
"""What plans are planned at: about what nextpnr reaches without haste."""
SPEEDS = np.geomspace(400, 127_000, 30)
"""Images a second asked for."""
CHIP = find(BOARD).device.budget.luts


def main() -> None:
    """Plan, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("bench/results"))
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    plans = list(planned())
    path = out / "pareto.json"
    path.write_text(
        json.dumps({"plans": plans, "with": made_with("numpy", "alkaid")}, indent=2) + "\n", encoding="utf-8"
    )
    peers = out / "peers.json"
    rows = json.loads(peers.read_text(encoding="utf-8")) if peers.is_file() else {}
    draw(plans, rows, out / "pareto.svg")
    print(f"{len(plans)} plans: {out / 'pareto.svg'}")


def planned() -> Iterable[dict[str, Any]]:
    """The cheapest plan for each speed that is reached, each once."""
    qgraph, last = seed_cnn(), None
    for fps in SPEEDS:
        try:
            plan = d2f.Design(qgraph, board=BOARD, fps=float(fps), clock_mhz=MHZ).plan
        except Refusal:
            return
        taken = plan.resources
        row = {
            "cycles_per_image": plan.cycles_per_image, "latency_cycles": plan.latency_cycles,
            "images_per_second": plan.images_per_second,
            "luts": taken.luts, "ffs": taken.ffs, "dsps": taken.dsps, "brams": taken.brams,
        }  # fmt: skip
        if row != last:
            yield row
        last = row


def draw(plans: list[dict[str, Any]], every: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """The picture: plans and their front, and of every row those of the network that were routed, and peers'."""
    rows = {name.split("/")[1]: row for name, row in every.items() if name.startswith(NETWORK)}
    nngen_mhz = max((row.get("fmax_mhz", 0) for name, row in every.items() if "/NNgen" in name), default=0)
    plt.rcParams["svg.fonttype"] = "none"
    figure, axes = plt.subplots(figsize=(9.5, 6), layout="constrained")
    front = sorted((p for p in plans if not any(dominates(other, p) for other in plans)), key=lambda p: p["luts"])
    axes.step(*_points(front), where="post", color="0.75", zorder=1, label="the best of them")
    dots = axes.scatter(
        *_points(plans), c=[plan["dsps"] for plan in plans], cmap="viridis_r", vmin=0, vmax=156, s=34, zorder=2,
        label=f"dnn2fpga, planned, at {MHZ:g} MHz",
    )  # fmt: skip
    figure.colorbar(dots, label="multipliers of the plan, of 156", pad=0.01)
    routed = {name: row for name, row in rows.items() if row.get("fmax_mhz")}
    ours = {name: row for name, row in routed.items() if name.startswith("ours")}
    _marked(axes, ours, "*", "tab:red", "dnn2fpga, routed, at its own clock")
    _marked(axes, {name: row for name, row in routed.items() if name not in ours}, "D", "tab:blue", "peers, routed")
    for name, row in rows.items():
        if name.startswith("NNgen") and name not in routed and nngen_mhz:
            at = row["luts"], nngen_mhz * 1e6 / row["cycles_per_image"]
            axes.scatter(*at, marker="D", s=70, facecolor="none", edgecolor="tab:blue", zorder=3)
            said = f"{name}, not routed:\nhere at {nngen_mhz:.0f} MHz,\nits fastest of all rows"
            _said(axes, said, at, "tab:blue", left=True)
        elif name.startswith("TFLite"):
            axes.axhline(row["images_per_second"], color="tab:blue", linestyle=":", linewidth=1)
            _said(axes, f"{name}, one thread", (CHIP, row["images_per_second"]), "tab:blue", left=True)
    axes.axvline(CHIP, color="0.5", linewidth=1)
    _said(axes, "the whole chip", (CHIP, 200_000), "0.4", left=True)
    axes.set(
        xlabel="LUTs", ylabel="images/s", xscale="log", yscale="log", xlim=(2_500, 100_000), ylim=(300, 300_000),
        title="The seed CNN on an LFE5U-85F: throughput against LUTs",
    )  # fmt: skip
    ticks = (3_000, 5_000, 10_000, 20_000, 30_000, 50_000, CHIP)
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left", fontsize=9)
    figure.savefig(path)
    plt.close(figure)


def dominates(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether a plan is as good as another in both and better in one."""
    better = one["luts"] < other["luts"] or one["images_per_second"] > other["images_per_second"]
    return better and one["luts"] <= other["luts"] and one["images_per_second"] >= other["images_per_second"]


def _points(rows: Iterable[Mapping[str, Any]]) -> tuple[list[float], list[float]]:
    return [row["luts"] for row in rows], [row["images_per_second"] for row in rows]


def _marked(axes: Axes, rows: Mapping[str, Mapping[str, Any]], marker: str, color: str, label: str) -> None:
    """Points with their names and clocks."""
    if rows:
        axes.scatter(*_points(rows.values()), marker=marker, color=color, s=130, zorder=4, label=label)
    for name, row in rows.items():
        said = f"{name.removeprefix('ours, ')}\n{row['fmax_mhz']:.0f} MHz, {row['dsps']} multipliers"
        _said(axes, said, (row["luts"], row["images_per_second"]), color)


def _said(axes: Axes, text: str, at: tuple[float, float], color: str, left: bool = False) -> None:
    """A text beside a point: below it on its right, or above it on its left."""
    where = {"xytext": (-6, 5), "ha": "right", "va": "bottom"} if left else {"xytext": (8, -7), "va": "top"}
    axes.annotate(text, at, textcoords="offset points", fontsize=9, color=color, **where)


if __name__ == "__main__":
    main()
