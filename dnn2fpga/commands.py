"""What each command of the command line does. Each prints for a person and gives the object for a machine."""

from __future__ import annotations

import os
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from . import options as named
from . import quantizing, report, shipped
from .dataset import Samples, read_dataset
from .design import Design
from .draw import draw
from .errors import Refusal, Shortfall
from .flow import program
from .flow.build import read_record
from .flow.engines import ENGINES, Engine, Stalls, default_engine
from .flow.simulate import Simulation
from .flow.verify import verify_board
from .kinds import KINDS, REFUSED, SPECS
from .model import description as float_description
from .model.keras_graph import NOTHING_AT_INFERENCE
from .model.keras_refusals import ADVICE
from .platforms import BOARDS, find
from .quant import description as integer_description
from .quant.graph import QGraph
from .quant.scheme import Scheme
from .show import Show

DEMO_FPS = 10_000
DEMO_IMAGES = {"cxxrtl": 100, "pysim": 3}

Answer = dict[str, Any]


def demo(options: Namespace, show: Show) -> Answer:
    """The whole flow on what the package ships."""
    board = find(options.board)
    small = board.device.family == "ice40"
    name = "mnist_mlp" if small else "mnist_cnn"
    out: Path = options.out

    show.line(f"1. The model: {name}, trained on MNIST in floating point.")
    graph = float_description.load(shipped.model_folder(name), SPECS)
    data = read_dataset(shipped.digits())

    show.line(f"2. Quantize it to 8 bits, and judge it on {len(data.x_judge):,} digits.\n")
    quantized = quantizing.quantize(graph, data, Scheme(), quantizing.Wish(), out / "model", show)

    show.line(f"\n3. Plan the hardware for the board {board.name}.\n")
    qgraph = integer_description.load(out / "model", SPECS)
    design = Design(qgraph, board=board.name, fps=None if small else DEMO_FPS)
    with show.steps("planning"):
        planned = design.plan.data()
    report.planned(planned, board.device, show)

    engine = default_engine()
    images = DEMO_IMAGES[engine.name]
    show.line(f"\n4. Simulate it: every output integer of {images} digits against the reference.")
    if missing := ENGINES["cxxrtl"].missing():
        show.line(f"   In Python, slowly, so only a few. {missing}")
    show.line()
    assert data.y_judge is not None  # the shipped digits have labels
    samples = Samples(data.x_judge[:images], data.y_judge[:images])
    simulated = _simulate(design, samples, engine, show)

    show.line("\n5. Build it: synthesis, placement, routing, bitstream. This takes some minutes.")
    built = _build(design, out, show)
    answer = {**quantized, **simulated, **built}
    report.demonstrated(answer, board.device, show)
    show.line(f"\nTo load it into the board: dnn2fpga flash {out}{'' if board.loads_sram else ' --persistent'}")
    return answer


def quantize(options: Namespace, show: Show) -> Answer:
    """A float model to an integer one."""
    scheme, wish = quantizing.scheme_of(options), quantizing.wish_of(options)
    data = read_dataset(options.data, options.input_scale)
    graph = named.float_model(options.model, show)
    return quantizing.quantize(graph, data, scheme, wish, options.out, show)


def simulate(options: Namespace, show: Show) -> Answer:
    """The hardware in a simulator."""
    engine, stalls = named.engine(options), named.stalls(options)
    design = named.design(options, show)
    answer = _simulate(design, named.samples(options), engine, show, stalls, options.vcd)
    if options.vcd is not None:
        show.line(f"waveform: {options.vcd}")
    return answer


def plan(options: Namespace, show: Show) -> Answer:
    """The plan."""
    svg = None if options.svg is None else named.file_to_write(options.svg, ".svg")
    plan = named.design(options, show).plan
    answer = plan.data()
    report.planned(answer, plan.device, show)
    if svg is not None:
        _write(svg, draw(plan))
        show.line(f"drawn in {svg}")
    return answer


def verilog(options: Namespace, show: Show) -> Answer:
    """The pipeline as Verilog."""
    out = named.file_to_write(options.out)
    design = named.design(options, show)
    with show.steps("writing Verilog"):
        text = design.verilog()
    _write(out, text)
    answer: Answer = {"module": design.MODULE, "ports": design.ports()}
    show.table("Ports", [{"port": name, "bits": bits} for name, bits in answer["ports"].items()])
    show.line(f"module {answer['module']} in {out}")
    return answer


def build(options: Namespace, show: Show) -> Answer:
    """A bitstream."""
    design = named.design(options, show)
    device = design.plan.device
    report.planned(design.plan.data(), device, show)
    answer = _build(design, options.out, show)
    report.built(answer, device, f"\nBuilt for {options.board}", show)
    return answer


def flash(options: Namespace, show: Show) -> Answer:
    """Load a board."""
    with show.steps("loading the board"):
        program.flash(options.folder, persistent=options.persistent)
    show.line("loaded into the flash memory" if options.persistent else "loaded; it stays until power is cut")
    return {"persistent": options.persistent}


def verify(options: Namespace, show: Show) -> Answer:
    """Data through a board."""
    record = read_record(options.folder)
    qgraph = integer_description.load(options.folder / "model", SPECS)
    samples = named.samples(options)
    with show.progress("on the board", len(samples.x)) as progress:
        result = verify_board(qgraph, record, options.port, samples.x, progress)
    return _judge(qgraph, result, samples.y, f"On {record['board']} at {options.port}", show)


def boards(options: Namespace, show: Show) -> Answer:
    """The boards."""
    rows = [
        {
            "board": name,
            "chip": board.device.name,
            "clock_mhz": board.clock_mhz,
            **asdict(board.device.budget),
        }
        for name, board in BOARDS.items()
    ]
    report.boards(rows, show)
    return {"boards": rows}


def layers(options: Namespace, show: Show) -> Answer:
    """The layer kinds."""
    rows = [
        {
            "kind": kind.name, "keras": list(kind.reads), "activation": kind.activation,
            "hardware": kind.foldings is not None, "note": kind.note, "refused": kind.refused,
        }
        for kind in KINDS
    ]  # fmt: skip
    answer = {
        "layers": rows, "dropped": list(NOTHING_AT_INFERENCE), "refused": ADVICE, "refused_of_all": list(REFUSED),
    }  # fmt: skip
    report.layers(answer, show)
    return answer


def _simulate(
    design: Design,
    samples: Samples,
    engine: Engine,
    show: Show,
    stalls: Stalls | None = None,
    vcd: Path | None = None,
) -> Answer:
    with show.progress(f"simulating ({engine.name})", len(samples.x)) as progress:
        result = design.simulate(samples.x, engine, stalls=stalls, vcd=vcd, progress=progress)
    return _judge(design.qgraph, result, samples.y, f"Simulated by {result.engine}", show)


def _judge(qgraph: QGraph, result: Simulation, labels: np.ndarray | None, title: str, show: Show) -> Answer:
    """The figures of a run of the hardware. Raises `Shortfall` with them if an integer differs."""
    found = qgraph.classify(result.outputs)
    answer: Answer = {
        "engine": result.engine,
        "images": result.images,
        "mismatches": result.mismatches,
        "accuracy": None if labels is None else float((found == labels).mean()),
        "latency_cycles": result.latency_cycles,
        "cycles_per_image": result.cycles_per_image,
        "images_per_second": result.images_per_second,
    }
    report.ran(answer, title, show)
    if result.mismatches:
        raise Shortfall(f"{result.mismatches} output integers differ; the first: {result.first}", answer)
    return answer


def _build(design: Design, out: Path, show: Show) -> Answer:
    with show.steps("building") as next_step:
        return design.build(out, progress=next_step)


def _write(path: Path, text: str) -> None:
    """All of the file or nothing."""
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise Refusal(f"{path} cannot be written: {error.strerror}") from None
