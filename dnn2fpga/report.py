"""What a person reads of the commands' answers: fewer figures than a machine gets, in words and units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from .hw.resources import Device
from .show import Show, bits

Answer = Mapping[str, Any]

_PARTS = {"luts": "LUTs", "ffs": "FFs", "dsps": "DSPs", "brams": "BRAMs"}
"""What a chip consists of, as people call it."""


STAGES = {"ptq": "after training", "partial": "partly in floating point", "qat": "trained on"}
"""The optimizer's stages, in words."""


def quantized(answer: Answer, title: str, show: Show) -> None:
    """The stages, the layers of the best result, and what became of size and accuracy."""
    if len(answer["stages"]) > 1:
        rows = [
            {
                "stage": stage["stage"], "what": stage["what"], "accuracy": percent(stage["accuracy"]),
                "bytes": stage["bytes"],
            }
            for stage in answer["stages"]
        ]  # fmt: skip
        show.table("Stages", rows)
    rows = [
        {
            "layer": row["name"], "kind": row["kind"], "output": "×".join(map(str, row["output_shape"])),
            "format": row["format"], "scale": row["scale"], "range": _range(row),
            "clipped": percent(row["clipped"]), "SQNR, dB": _rounded(row["sqnr_db"]),
            "lost alone": percent(row["accuracy_lost"]), "bytes": row["bytes"],
        }
        for row in (answer["input"], *answer["layers"])
    ]  # fmt: skip
    show.table(title, rows)
    before, after = (_judged(answer[key]) for key in ("float_accuracy", "int_accuracy"))
    show.line(f"accuracy  {before} float → {after} quantized ({STAGES[answer['stage']]})")
    show.line(f"weights   {answer['bytes_float']:,} bytes float → {answer['bytes_int']:,} bytes quantized")


def planned(answer: Answer, device: Device, show: Show) -> None:
    """The layers of a plan, its speed, and how much of the chip it takes."""
    rows = [
        {
            "layer": row["name"], "kind": row["kind"], "lanes": f"{row['i_lanes']} → {row['o_lanes']}",
            "cycles": row["cycles"], **{head: row[part] for part, head in _PARTS.items()},
        }
        for row in answer["layers"]
    ]  # fmt: skip
    show.table(f"Plan for {device.name} at {answer['clock_mhz']:g} MHz", rows)
    interval, latency = answer["cycles_per_image"], answer["latency_cycles"]
    kept = bits(sum(row["memory_bits"] for row in answer["layers"]))
    show.facts(
        "All layers, each at work on its own image",
        {
            "throughput": f"{answer['images_per_second']:,.0f} images/s, {interval:,} cycles an image",
            "latency": f"{latency / answer['clock_mhz']:,.1f} µs, {latency:,} cycles",
            "chip, estimated": _chip(answer, device),
            "memory": f"{kept} of weights and windows; the BRAMs hold {bits(answer['brams'] * device.bram_bits)}",
        },
    )


def ran(answer: Answer, title: str, show: Show) -> None:
    """A run of the hardware, simulated or on a board."""
    interval = answer["cycles_per_image"]
    show.facts(
        title,
        {
            "against reference": f"{answer['mismatches']:,} mismatches in {answer['images']:,} images",
            "accuracy": _judged(answer["accuracy"]),
            "latency": f"{answer['latency_cycles']:,} cycles",
            "throughput": "not measured" if interval is None else f"{interval:,} cycles an image",
            "speed of this run": f"{answer['images_per_second']:,.1f} images/s",
        },
    )


def built(answer: Answer, device: Device, title: str, show: Show, further: Mapping[str, str] | None = None) -> None:
    """A finished build; `further` facts stand before its own."""
    show.facts(
        title,
        {
            **(further or {}),
            "clock": f"{answer['clock_mhz']:g} MHz, routed for {answer['fmax_mhz']:.1f} with seed {answer['seed']}",
            "throughput": f"{answer['images_per_second']:,.0f} images/s",
            "latency": f"{answer['latency_us']:.1f} µs",
            "chip": _chip(answer, device),
            "bitstream": answer["bitstream"],
        },
    )


def demonstrated(answer: Answer, device: Device, show: Show) -> None:
    """The whole flow."""
    further = {
        "accuracy, float": _judged(answer["float_accuracy"]),
        "accuracy, hardware": _judged(answer["int_accuracy"]),
        "against reference": f"{answer['mismatches']} mismatches in {answer['images']} images simulated",
    }
    built(answer, device, "\nDone: a Keras model is a bitstream.", show, further)


def boards(rows: Sequence[Answer], show: Show) -> None:
    """The boards."""
    heads = {"board": "board", "chip": "chip", "clock_mhz": "MHz", **_PARTS}
    show.table("Boards", [{head: row[key] for key, head in heads.items()} for row in rows])


def layers(answer: Answer, show: Show) -> None:
    """The layer kinds, the Keras layers of which nothing is left, and what is refused."""
    table = [
        {
            "kind": row["kind"], "Keras layers": ", ".join(row["keras"]) or "–", "activation": row["activation"],
            "hardware": row["hardware"], "supported": row["note"] or "–", "not supported": row["refused"] or "–",
        }
        for row in answer["layers"]
    ]  # fmt: skip
    show.table("Layers", table)
    show.line(f"Dropped, as they only matter in training: {', '.join(answer['dropped'])}.")
    show.line(f"Not supported of any layer: {', '.join(answer['refused_of_all'])}.")
    show.line("\nNot supported, and what to do instead:")
    named: dict[str, list[str]] = {}
    for name, advice in answer["refused"].items():
        named.setdefault(advice, []).append(name)
    for advice, names in named.items():
        show.line(f"  {', '.join(names)}: {advice}")


def bench(rows: Sequence[Answer], show: Show) -> None:
    """The runs of the bench."""
    heads = {
        "network": "network", "engine": "engine", "images": "images", "mismatches": "mismatches",
        "cycles_per_image": "cycles/image", "latency_cycles": "latency", "images_per_second": "images/s",
    }  # fmt: skip
    show.table("Shipped networks, simulated", [{head: row[key] for key, head in heads.items()} for row in rows])
    for note in dict.fromkeys(row["note"] for row in rows if row["note"]):
        show.line(f"not run: {note}")


def _chip(taken: Answer, device: Device) -> str:
    budget = asdict(device.budget)
    return ", ".join(f"{taken[key]:,} of {budget[key]:,} {name}" for key, name in _PARTS.items())


def _range(row: Answer) -> str | None:
    return None if row["low"] is None else f"{row['low']:.3g} … {row['high']:.3g}"


def _rounded(decibels: float | None) -> str | None:
    return None if decibels is None else f"{decibels:.1f}"


def percent(share: float | None) -> str | None:
    """A share as people read it."""
    return None if share is None else f"{100 * share:.1f} %"


def _judged(share: float | None) -> str:
    return percent(share) or "not judged, no labels"
