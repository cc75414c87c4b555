"""The comparison as a table that people read, which is Markdown as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Row = Mapping[str, Any]

HEADS = {
    "cycles_per_image": "interval", "latency_cycles": "latency", "lut4": "LUT4", "luts": "COMB", "ffs": "FF",
    "dsps": "DSP", "brams": "BRAM", "fmax_mhz": "MHz", "us_per_image": "µs/image", "latency_us": "µs latency",
    "images_per_second": "images/s", "luts_us": "COMB × µs", "seconds_to_verilog": "s to Verilog",
    "simulated_images_per_second": "simulated/s",
}  # fmt: skip


def with_speed(row: Row) -> dict[str, Any]:
    """A row with what follows from its cycles and its clock, or, on a processor, from its time."""
    derived = dict(row)
    if row.get("fmax_mhz") and row.get("cycles_per_image"):
        derived["us_per_image"] = row["cycles_per_image"] / row["fmax_mhz"]
        derived["latency_us"] = row["latency_cycles"] / row["fmax_mhz"]
        derived["luts_us"] = row["luts"] * derived["us_per_image"]
    if "us_per_image" in derived:
        derived["images_per_second"] = 1e6 / derived["us_per_image"]
    return derived


def table(rows: Mapping[str, Row]) -> str:
    """Rows by `NETWORK/TOOL`, a table for each network, its notes below."""
    networks = dict.fromkeys(name.split("/", 1)[0] for name in rows)
    return "\n".join(
        _of_network(
            network, {name.split("/", 1)[1]: row for name, row in rows.items() if name.startswith(f"{network}/")}
        )
        for network in networks
    )


def planner_error(rows: Mapping[str, Row]) -> str:
    """How far our plans are from what was routed, of each resource: the median and the worst."""
    said = []
    for name in ("luts", "ffs", "dsps", "brams"):
        errors = sorted(
            abs(row["planned"][name] / row[name] - 1) for row in rows.values() if "planned" in row and row.get(name)
        )
        if errors:
            said.append(f"{HEADS[name]} {errors[len(errors) // 2]:.0%}, {errors[-1]:.0%} at worst")
    return f"Planned against routed, in our rows: {'; '.join(said)}." if said else ""


def _of_network(network: str, rows: Mapping[str, Row]) -> str:
    lines = [["", *HEADS.values()]]
    lines += [[tool, *(_text(row.get(name)) for name in HEADS)] for tool, row in rows.items()]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = ["-" * widths[0], *(f"{'-' * (width - 1)}:" for width in widths[1:])]
    text = [
        "| " + " | ".join([cells[0].ljust(widths[0]), *map(str.rjust, cells[1:], widths[1:])]) + " |"
        for cells in (lines[0], rule, *lines[1:])
    ]
    notes = [f"- {tool}: {row['note']}" for tool, row in rows.items() if row.get("note")]
    return "\n".join([f"## {network}", "", *text, "", *notes, *([""] if notes else [])])


def _text(value: float | None) -> str:
    if value is None:
        return "–"
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.1f}"
