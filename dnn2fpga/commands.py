"""What each command of the command line does. Each prints for a person and gives the object for a machine."""

from __future__ import annotations

import os
import tempfile
import time
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from . import platforms, shipped
from .dataset import Dataset, read_dataset, read_samples
from .design import Design
from .errors import Refusal, Shortfall
from .flow import program
from .flow.build import read_record
from .flow.engines import ENGINES, Engine, Stalls, default_engine
from .flow.simulate import Simulation
from .flow.verify import verify_board
from .hw.plan import Plan
from .kinds import KINDS, SPECS
from .model import description as float_description
from .model.folder import kind_of_description
from .model.graph import Graph
from .model.keras import from_keras
from .quant import description as integer_description
from .quant.graph import QGraph, check_batch
from .quant.quantize import quantize_graph
from .show import Show

DEMO_FPS = 10_000
DEMO_IMAGES = 100

Answer = dict[str, Any]


def demo(options: Namespace, show: Show) -> Answer:
    """The whole flow on what the package ships."""
    board = platforms.find(options.board)
    small = board.device.family == "ice40"
    name = "mnist_mlp" if small else "mnist_cnn"
    out: Path = options.out
    show.line(f"1. The model: {name}, trained on MNIST, float32.")
    graph = float_description.load(shipped.model_folder(name), SPECS)
    data = read_dataset(shipped.digits())
    show.line(f"2. Quantized to 8 bits, and judged on {len(data.x_judge):,} digits.")
    quantized = _quantize(graph, data, 8, 8, out / "model", show)

    show.line(f"\n3. Planned for {board.name}.")
    design = Design(
        integer_description.load(out / "model", SPECS), board=board.name, fps=None if small else DEMO_FPS
    )
    _show_plan(design.plan, show)

    engine = default_engine()
    images = DEMO_IMAGES if engine.name == "cxxrtl" else 3
    if engine.name == "pysim":
        show.line(f"   Simulating in Python, slowly, a few digits: {ENGINES['cxxrtl'].missing()}")
    show.line(f"\n4. Simulated: the hardware itself, {images} digits, every integer compared.")
    simulated = _simulate(design, data.x_judge[:images], _labels(data.y_judge, images), engine, show)

    show.line("\n5. Built: synthesis, placement, routing, bitstream.")
    built = _build(design, out, show)
    answer = {**quantized, **simulated, **built}
    show.facts(
        "\nDone: a Keras model is a bitstream.",
        {
            "accuracy, float": _percent(answer["float_accuracy"]),
            "accuracy, the hardware's integers": _percent(answer["int_accuracy"]),
            "hardware against reference": f"{answer['mismatches']} mismatches in {answer['images']} images",
            "clock": f"{answer['clock_mhz']:g} MHz (routed for {answer['fmax_mhz']:.1f})",
            "throughput": f"{answer['images_per_second']:,.0f} images/s",
            "latency": f"{answer['latency_us']:.1f} µs",
            "chip": _chip(answer, asdict(board.device.budget)),
            "bitstream": answer["bitstream"],
            "to load it": f"dnn2fpga flash {out}",
        },
    )
    return answer


def quantize(options: Namespace, show: Show) -> Answer:
    """A float model to an integer one."""
    data = read_dataset(options.data, options.input_scale)
    graph = _float_model(options.model, show)
    weight_bits = options.bits if options.weight_bits is None else options.weight_bits
    activation_bits = options.bits if options.activation_bits is None else options.activation_bits
    return _quantize(graph, data, weight_bits, activation_bits, options.out, show)


def simulate(options: Namespace, show: Show) -> Answer:
    """The hardware in a simulator."""
    if options.vcd is not None and options.engine not in (None, "pysim"):
        raise Refusal(f"--vcd needs the engine pysim, not {options.engine}")
    if not 0 <= options.stalls < 1:
        raise Refusal(f"--stalls must be from 0 to below 1, not {options.stalls}")
    qgraph = integer_description.load(options.model, SPECS)
    samples = read_samples(options.data, options.input_scale)
    x, labels = _first(samples.x, samples.y, options.images)
    design = Design(qgraph, board=options.board, fps=options.fps)
    engine = _engine(options)
    stalls = Stalls(options.stalls, options.stalls, options.seed) if options.stalls else None
    answer = _simulate(design, x, labels, engine, show, stalls, options.vcd)
    if options.vcd is not None:
        show.line(f"waveform: {options.vcd}")
    return answer


def plan(options: Namespace, show: Show) -> Answer:
    """The plan."""
    design = Design(integer_description.load(options.model, SPECS), board=options.board, fps=options.fps)
    _show_plan(design.plan, show)
    return design.plan.data()


def verilog(options: Namespace, show: Show) -> Answer:
    """The pipeline as Verilog."""
    design = Design(integer_description.load(options.model, SPECS), board=options.board, fps=options.fps)
    with show.progress("Verilog"):
        text = design.verilog()
    _write(options.out, text)
    answer = {"module": design.MODULE, "ports": design.ports()}
    show.line(f"module {answer['module']} in {options.out}")
    show.table("Ports", [{"port": name, "bits": bits} for name, bits in answer["ports"].items()])
    return answer


def build(options: Namespace, show: Show) -> Answer:
    """A bitstream."""
    design = Design(integer_description.load(options.model, SPECS), board=options.board, fps=options.fps)
    _show_plan(design.plan, show)
    answer = _build(design, options.out, show)
    show.facts(
        f"Built for {options.board}",
        {
            "clock": f"{answer['clock_mhz']:g} MHz (routed for {answer['fmax_mhz']:.1f})",
            "throughput": f"{answer['images_per_second']:,.0f} images/s",
            "latency": f"{answer['latency_us']:.1f} µs",
            "chip": _chip(answer, asdict(platforms.find(options.board).device.budget)),
            "bitstream": answer["bitstream"],
        },
    )
    return answer


def flash(options: Namespace, show: Show) -> Answer:
    """Load a board."""
    with show.progress("loading the board"):
        program.flash(options.folder, persistent=options.persistent)
    show.line("loaded into the flash memory" if options.persistent else "loaded; it stays until power is cut")
    return {"persistent": options.persistent}


def verify(options: Namespace, show: Show) -> Answer:
    """Data through a board."""
    record = read_record(options.folder)
    qgraph = integer_description.load(options.folder / "model", SPECS)
    samples = read_samples(options.data, options.input_scale)
    x, labels = _first(samples.x, samples.y, options.images)
    with show.progress("on the board", len(x)) as progress:
        result = verify_board(qgraph, record, options.port, x, progress)
    answer = {"engine": "board", **_measured(qgraph, result, labels)}
    show.facts(f"On {record['board']}", answer)
    _refuse_mismatches(result, answer)
    return answer


def boards(options: Namespace, show: Show) -> Answer:
    """The boards."""
    rows = [
        {"board": name, "chip": board.device.name, "clock_mhz": board.clock_mhz, **asdict(board.device.budget)}
        for name, board in platforms.BOARDS.items()
    ]
    show.table("Boards", rows)
    return {"boards": rows}


def layers(options: Namespace, show: Show) -> Answer:
    """The layer kinds."""
    rows = [
        {
            "kind": kind.name,
            "Keras layer": kind.keras or "–",
            "activation": kind.activation or "–",
            "hardware": "yes" if kind.foldings else "none needed",
        }
        for kind in KINDS
    ]
    show.table("Layers", rows)
    show.line("Folded away: BatchNormalization, behind a layer with a kernel. Dropped: Dropout, SpatialDropout2D.")
    return {"layers": rows}


def _quantize(
    graph: Graph, data: Dataset, weight_bits: int, activation_bits: int, out: Path, show: Show
) -> Answer:
    if data.note:
        show.line(data.note)
    with show.progress("quantizing"):
        qgraph = quantize_graph(
            graph, data.x_calibrate, weight_bits=weight_bits, activation_bits=activation_bits
        )
        float_accuracy = int_accuracy = None
        if data.y_judge is not None:
            x = _batch(graph, data.x_judge)
            found = np.concatenate([graph.run(x[at : at + 256]) for at in range(0, len(x), 256)])
            float_accuracy = float((found.reshape(len(x), -1).argmax(axis=1) == data.y_judge).mean())
            int_accuracy = float((qgraph.classify(qgraph.run(x)) == data.y_judge).mean())
    integer_description.save(qgraph, out)
    rows = [_layer_row(node) for node in qgraph.nodes]
    bytes_float = sum(4 * array.size for node in graph.nodes for array in node.weights.values())
    answer = {
        "float_accuracy": float_accuracy, "int_accuracy": int_accuracy, "stage": "ptq",
        "bytes_float": bytes_float, "bytes_int": sum(row["bytes"] for row in rows), "layers": rows,
    }  # fmt: skip
    show.table(f"Integer model '{qgraph.name}', in {out}", rows)
    show.facts(
        "",
        {
            "bytes, float": bytes_float,
            "bytes, integer": answer["bytes_int"],
            "accuracy, float": _percent(float_accuracy),
            "accuracy, integer": _percent(int_accuracy),
        },
    )
    return answer


def _layer_row(node: Any) -> Answer:
    """A layer of an integer model, with the bytes that the hardware stores for it."""
    bits = sum(
        array.size * node.scalars["weight_bits"] if name == "kernel" else 8 * array.size * _bytes(array)
        for name, array in node.arrays.items()
    )
    return {
        "name": node.name, "kind": node.spec.kind, "output": "×".join(map(str, node.output_shape)),
        "bits": node.o.bits, "signed": "yes" if node.o.signed else "no", "scale": node.o.scale,
        "bytes": -(-bits // 8),
    }  # fmt: skip


def _bytes(array: np.ndarray) -> int:
    """Bytes a value, in the smallest whole number that holds all."""
    return -(-(int(np.abs(array).max(initial=0)).bit_length() + 1) // 8)


def _simulate(
    design: Design,
    x: np.ndarray,
    labels: np.ndarray | None,
    engine: Engine,
    show: Show,
    stalls: Stalls | None = None,
    vcd: Path | None = None,
) -> Answer:
    with show.progress(f"simulating ({engine.name})", len(x)) as progress:
        result = design.simulate(x, engine, stalls=stalls, vcd=vcd, progress=progress)
    answer = {"engine": result.engine, **_measured(design.qgraph, result, labels)}
    show.facts(f"Simulated by {result.engine}", {**answer, "accuracy": _percent(answer["accuracy"])})
    _refuse_mismatches(result, answer)
    return answer


def _measured(qgraph: QGraph, result: Simulation, labels: np.ndarray | None) -> Answer:
    found = qgraph.classify(result.outputs)
    return {
        "images": result.images,
        "mismatches": result.mismatches,
        "accuracy": None if labels is None else float((found == labels).mean()),
        "latency_cycles": result.latency_cycles,
        "cycles_per_image": result.cycles_per_image,
        "images_per_second": result.images_per_second,
    }


def _refuse_mismatches(result: Simulation, answer: Mapping[str, object]) -> None:
    if result.mismatches:
        raise Shortfall(f"{result.mismatches} output integers differ; the first: {result.first}", dict(answer))


def _build(design: Design, out: Path, show: Show) -> Answer:
    with show.progress("building") as _:
        start = time.monotonic()
        answer = design.build(out, progress=lambda step: show.line(f"   {time.monotonic() - start:5.0f} s  {step}"))
    return answer


def _show_plan(plan: Plan, show: Show) -> None:
    data = plan.data()
    show.table(f"Plan for {plan.device.name} at {plan.clock_mhz:g} MHz", data["layers"])
    show.facts(
        "",
        {
            "cycles an image": plan.cycles_per_image,
            "latency": f"{plan.latency_cycles:,} cycles, {plan.latency_cycles / plan.clock_mhz:,.1f} µs",
            "throughput": f"{plan.images_per_second:,.0f} images/s",
            "chip, estimated": _chip(data, asdict(plan.device.budget)),
        },
    )


def _chip(taken: Mapping[str, Any], budget: Mapping[str, int]) -> str:
    names = {"luts": "LUTs", "ffs": "flip-flops", "dsps": "multipliers", "brams": "block RAMs"}
    return ", ".join(f"{taken[key]:,} of {budget[key]:,} {name}" for key, name in names.items())


def _float_model(path: Path, show: Show) -> Graph:
    if path.is_dir():
        if kind_of_description(path) != "float":
            raise Refusal(f"{path} holds an integer model; quantize takes a float one")
        return float_description.load(path, SPECS)
    with show.progress("reading the Keras model"):
        return from_keras(path, KINDS)


def _engine(options: Namespace) -> Engine:
    if options.vcd is not None:
        return ENGINES["pysim"]
    return ENGINES[options.engine] if options.engine else default_engine()


def _first(x: np.ndarray, labels: np.ndarray | None, images: int | None) -> tuple[np.ndarray, np.ndarray | None]:
    if images is None:
        return x, labels
    if not 1 <= images <= len(x):
        raise Refusal(f"--images must be from 1 to {len(x)}, the samples there are, not {images}")
    return x[:images], _labels(labels, images)


def _labels(labels: np.ndarray | None, images: int) -> np.ndarray | None:
    return None if labels is None else labels[:images]


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def _write(path: Path, text: str) -> None:
    """All of the file or nothing."""
    try:
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
            file.write(text)
        os.replace(file.name, path)
    except OSError as error:
        raise Refusal(f"{path} cannot be written: {error.strerror}") from None


def _batch(graph: Graph, x: np.ndarray) -> np.ndarray:
    return check_batch(x, graph.input_shape, "x_test").astype(np.float32)
