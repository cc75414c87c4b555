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
from made_with import made_with
from matplotlib.axes import Axes
from networks import seed_cnn
from open_flow import BOARD

import dnn2fpga as d2f
from dnn2fpga.errors import Refusal

NETWORK = "seed CNN"
MHZ = 100.0
"""What plans are planned at: about what nextpnr reaches without haste."""
SPEEDS = np.geomspace(400, 127_000, 30)
"""Images a second asked for."""
NNGEN_MHZ = 64.9
"""Routed of NNgen's jet MLP, where its seed CNN does not route."""


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
    draw(plans, {name.split("/")[1]: row for name, row in rows.items() if name.startswith(NETWORK)}, out / "pareto.svg")
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


def draw(plans: list[dict[str, Any]], rows: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """The picture. Rows that were not routed are hollow where their clock can be assumed, else not shown."""
    plt.rcParams["svg.fonttype"] = "none"
    figure, axes = plt.subplots(figsize=(9, 5.5), layout="constrained")
    luts, speed = ([row[name] for row in plans] for name in ("luts", "images_per_second"))
    front = [row for row in plans if not any(dominates(other, row) for other in plans)]
    front.sort(key=lambda row: row["luts"])
    axes.step(
        [row["luts"] for row in front], [row["images_per_second"] for row in front], where="post", color="0.7", zorder=1
    )
    dots = axes.scatter(
        luts, speed, c=[row["dsps"] for row in plans], cmap="viridis", s=36, zorder=2,
        label=f"dnn2fpga, planned, {MHZ:g} MHz",
    )  # fmt: skip
    figure.colorbar(dots, label="multipliers (of 156)", pad=0.01)
    routed = {name: row for name, row in rows.items() if row.get("fmax_mhz")}
    marked(axes, {n: r for n, r in routed.items() if n.startswith("ours")}, "*", "tab:red", "dnn2fpga, routed")
    marked(axes, {n: r for n, r in routed.items() if not n.startswith("ours")}, "D", "tab:blue", "peers, routed")
    for name, row in rows.items():
        if name.startswith("NNgen") and not row.get("fmax_mhz") and row.get("luts"):
            rate = NNGEN_MHZ * 1e6 / row["cycles_per_image"]
            axes.scatter(row["luts"], rate, marker="D", s=60, facecolor="none", edgecolor="tab:blue", zorder=3)
            said = f"{name}, not routed:\nat the {NNGEN_MHZ:g} MHz of its jet MLP"
            axes.annotate(said, (row["luts"], rate), (-8, 10), textcoords="offset points", ha="right", fontsize=8)
        elif name.startswith("TFLite") and row.get("images_per_second"):
            rate = row["images_per_second"]
            axes.axhline(rate, color="tab:blue", linestyle=":", linewidth=1)
            axes.annotate(name + ", one thread", (0.01, rate), (0, 3), xycoords=("axes fraction", "data"),
                          textcoords="offset points", color="tab:blue", fontsize=8)  # fmt: skip
    axes.set(
        xlabel="LUTs (TRELLIS_COMB) of 83,640", ylabel="images/s", yscale="log", xlim=(0, 90_000),
        title="The seed CNN on an LFE5U-85F: throughput against LUTs",
    )  # fmt: skip
    axes.grid(alpha=0.3, which="major")
    axes.legend(loc="lower center", fontsize=8)
    figure.savefig(path)
    plt.close(figure)


def dominates(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether a plan is as good as another in both and better in one."""
    better = one["luts"] < other["luts"] or one["images_per_second"] > other["images_per_second"]
    return better and one["luts"] <= other["luts"] and one["images_per_second"] >= other["images_per_second"]


def marked(axes: Axes, rows: Mapping[str, Mapping[str, Any]], marker: str, color: str, label: str) -> None:
    """Points with their names and clocks."""
    if not rows:
        return
    luts, speed = ([row[name] for row in rows.values()] for name in ("luts", "images_per_second"))
    axes.scatter(luts, speed, marker=marker, color=color, s=110, zorder=4, label=label)
    for name, row in rows.items():
        said = f"{name.removeprefix('ours, ')}\n{row['fmax_mhz']:.0f} MHz"
        at = (row["luts"], row["images_per_second"])
        axes.annotate(said, at, (9, -9), textcoords="offset points", va="top", fontsize=8, color=color)


if __name__ == "__main__":
    main()
