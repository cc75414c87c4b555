"""What the options of the commands name: models, designs, data, engines. All of them may be refused."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import fields, replace
from pathlib import Path

from .dataset import Samples, read_samples
from .design import Design
from .errors import Refusal
from .flow.engines import ENGINES, Engine, Stalls, default_engine
from .hw.resources import BOUNDLESS, Resources
from .kinds import KINDS, LOWERED, SPECS
from .model import description as float_description
from .model.folder import kind_of_description
from .model.graph import Graph
from .model.keras import from_keras
from .quant import description as integer_description
from .quant.graph import QGraph
from .quant.tflite import from_tflite
from .show import Show


def design(options: Namespace, show: Show) -> Design:
    """The design that the options ask for, planned: all that can be refused is refused here."""
    asked = Design(
        _integer_model(options.model),
        board=options.board,
        fps=options.fps,
        latency_us=options.latency,
        clock_mhz=options.clock,
        most=_most(options.most),
    )
    with show.steps("planning"):
        _ = asked.plan
    return asked


def _most(text: str | None) -> Resources:
    """`luts=20000,dsps=11` as the most that may be taken; the others are not limited."""
    limits: dict[str, int] = {}
    names = [f.name for f in fields(Resources)]
    for part in text.split(",") if text else ():
        name, _, count = part.partition("=")
        if name not in names or not count.isdecimal():
            raise Refusal(f"--most takes {', '.join(names)}, as luts=20000,dsps=11; not {part!r}")
        limits[name] = int(count)
    return replace(BOUNDLESS, **limits)


def _integer_model(path: Path) -> QGraph:
    """An integer model, from a description or from TFLite."""
    if path.is_file() and path.suffix == ".tflite":
        return from_tflite(path)
    if path.is_file() or (path.is_dir() and kind_of_description(path) == "float"):
        raise Refusal(f"{path} is not an integer model: run dnn2fpga quantize first")
    return integer_description.load(path, SPECS)


def file_to_write(path: Path, suffix: str = "") -> Path:
    """A file that a command is to write, in a folder that is there; its name ends in `suffix`."""
    if not path.name.endswith(suffix):
        raise Refusal(f"{path}: the name must end in {suffix}")
    if not path.parent.is_dir():
        raise Refusal(f"{path}: there is no folder {path.parent}")
    return path


def float_model(path: Path, show: Show) -> Graph:
    """A float model, from a description or from Keras."""
    if path.is_dir():
        if kind_of_description(path) == "integer":
            raise Refusal(f"{path} holds an integer model; quantize takes a float one")
        return float_description.load(path, SPECS)
    with show.steps("reading the Keras model"):
        return from_keras(path, KINDS, LOWERED)


def samples(options: Namespace) -> Samples:
    """As many of the data as `--images` says."""
    data = read_samples(options.data, options.input_scale)
    images = options.images
    if images is None:
        return data
    if not 1 <= images <= len(data.x):
        raise Refusal(f"--images must be from 1 to {len(data.x)}, the samples there are, not {images}")
    return Samples(data.x[:images], None if data.y is None else data.y[:images])


def engine(options: Namespace) -> Engine:
    """The simulator: only one of them draws waveforms."""
    if options.vcd is None:
        return ENGINES[options.engine] if options.engine else default_engine()
    if options.engine not in (None, "pysim"):
        raise Refusal(f"--vcd needs the engine pysim, not {options.engine}")
    return ENGINES["pysim"]


def stalls(options: Namespace) -> Stalls | None:
    """The pauses, None for none."""
    if not 0 <= options.stalls < 1:
        raise Refusal(f"--stalls must be from 0 to below 1, not {options.stalls}")
    if not 1 <= options.seed < 1 << 32:
        raise Refusal(f"--seed must be from 1 to 2³²-1, not {options.seed}")
    return Stalls(options.stalls, options.stalls, options.seed) if options.stalls else None
