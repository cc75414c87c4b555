"""The command `quantize`: the stages of the optimizer one after another, with tables of what each gave."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from . import report
from .dataset import Dataset
from .errors import Refusal, Shortfall
from .model.graph import Graph
from .quant import description
from .quant.analysis import LayerReport, analyze
from .quant.graph import QGraph, QNode, check_batch
from .quant.optimizer import STAGES, Attempt, Optimizer, best_of, optimize
from .quant.qat import Training, fine_tune
from .quant.scheme import Formats, LayerBits, Scheme
from .show import Show

Answer = dict[str, Any]

BATCH = 256
"""Samples that the float model judges at once."""


@dataclass(frozen=True)
class Wish:
    """What the user asks for beside the scheme: which stages, up to which accuracy, and how to go about them.

    `sensitive` is "conv" (the convolutions), "auto" (by measured sensitivity), or names with commas between.
    """

    stages: Sequence[str] = STAGES
    target: float | None = None
    sensitive: str = "conv"
    improve: bool = True
    training: Training = Training()  # noqa: RUF009 (frozen)

    @property
    def names(self) -> tuple[str, ...]:
        """The layers that `sensitive` names."""
        return () if self.sensitive in ("conv", "auto") else tuple(self.sensitive.split(","))


def scheme_of(options: Namespace) -> Scheme:
    """The scheme that the options ask for. Raises `Refusal` on an unreadable one."""
    return Scheme(
        weight_bits=options.bits if options.weight_bits is None else options.weight_bits,
        activation_bits=options.bits if options.activation_bits is None else options.activation_bits,
        symmetric=not options.asymmetric,
        per_channel=not options.per_tensor,
        power_of_two=options.power_of_two,
        sign=options.sign,
        calibration=options.calibration,
        input_bits=options.input_bits,
        layers=dict(_layer_bits(text) for text in options.layer),
        float_format=options.float_format,
    )


def _layer_bits(text: str) -> tuple[str, LayerBits]:
    """`NAME=W/A` as the name and the widths."""
    name, equals, bits = text.rpartition("=")
    weight, slash, activation = bits.partition("/")
    if not (name and equals and slash and weight.isdecimal() and activation.isdecimal()):
        raise Refusal(f"--layer takes NAME=W/A, such as conv2d=4/8, not '{text}'")
    return name, LayerBits(int(weight), int(activation))


def wish_of(options: Namespace) -> Wish:
    """The rest of what the options ask for."""
    target = options.target_accuracy
    if target is not None and not 0 < target <= 1:
        raise Refusal(f"--target-accuracy must be above 0 and at most 1, such as 0.98, not {target:g}")
    stages = STAGES if options.stage == "auto" else (options.stage,)
    if target is None and options.sensitive == "auto" and options.stage == "partial":
        raise Refusal(
            "--sensitive auto needs a --target-accuracy: it leaves as few layers in floating point as reach it"
        )
    training = Training(
        epochs=options.epochs, rate=options.rate, seed=options.seed,
        learn_scales=options.learn_scales, dorefa=options.dorefa, checkpoint=options.checkpoint,
    )  # fmt: skip
    return Wish(stages, target, options.sensitive, not options.no_improve, training)


def quantize(graph: Graph, data: Dataset, scheme: Scheme, wish: Wish, out: Path, show: Show) -> Answer:
    """Walk the stages and keep the best result in the folder `out`.

    Raises `Shortfall` if no stage reached the target, the best result kept all the same.
    """
    if data.note:
        show.line(data.note)
    x = check_batch(data.x_judge, graph.input_shape, "the data to judge on").astype(np.float32)
    if wish.target is not None and data.y_judge is None:
        raise Refusal("--target-accuracy needs data with labels, 'y' or 'y_test', to judge by")
    replace(scheme, floating=frozenset(wish.names)).prepared(graph)  # refuses names before any work
    wish.training.check()
    judging = None if data.y_judge is None else Judging(x, data.y_judge)

    def tune(student: Graph, scheme: Scheme, formats: Formats) -> tuple[Graph, Formats]:
        with show.progress("training", wish.training.epochs) as progress:
            tuned = fine_tune(
                student, scheme, formats, data.x_calibrate, data.y_calibrate, wish.training,
                progress=lambda epoch, epochs, figures: progress(epoch), teacher=graph,
            )  # fmt: skip
        return tuned.graph, tuned.formats

    optimizer = Optimizer(
        graph, scheme, data.x_calibrate, judge=judging.integer if judging else None, tune=tune, improve=wish.improve
    )
    attempts: list[Attempt] = []
    walk = optimize(
        optimizer, stages=wish.stages, target=wish.target, candidates=lambda first: _candidates(wish, first, data, show)
    )
    while True:
        with show.steps("quantizing"):
            attempt = next(walk, None)
        if attempt is None:
            break
        attempts.append(attempt)
        show.line(f"{report.STAGES[attempt.stage]}: {attempt.what}: {report.percent(attempt.accuracy)}")
    best = best_of(attempts)
    description.save(best.qgraph, out)

    with show.steps("measuring each layer"):
        reports = analyze(best.graph, best.qgraph, x, judging.outputs if judging else None)
    rows = _rows(best.qgraph, {row.name: row for row in reports})
    answer: Answer = {
        "float_accuracy": judging.outputs(_run(graph, x)) if judging else None, "int_accuracy": best.accuracy,
        "target_accuracy": wish.target, "stage": best.stage,
        "stages": [_stage(attempt) for attempt in attempts],
        "bytes_float": sum(4 * array.size for node in graph.nodes for array in node.weights.values()),
        "bytes_int": best.qgraph.stored_bytes, "input": rows[0], "layers": rows[1:],
    }  # fmt: skip
    report.quantized(answer, f"Quantized model '{best.qgraph.name}', in {out}", show)
    if wish.target is not None and (best.accuracy or 0) < wish.target:
        raise Shortfall(
            f"the accuracy {wish.target:g} was not reached: the best, {best.accuracy:g}, of stage {best.stage}, is in "
            f"{out}; ask for less, use more bits or train for longer",
            answer,
        )
    return answer


@dataclass(frozen=True)
class Judging:
    """Inputs `(n, …)` that were neither calibrated nor trained on, and their labels `(n,)`."""

    x: np.ndarray
    y: np.ndarray

    def integer(self, qgraph: QGraph) -> float:
        """The share that an integer model gets right."""
        return float((qgraph.classify(qgraph.run(self.x)) == self.y).mean())

    def outputs(self, found: np.ndarray) -> float:
        """The share that is right in a float model's outputs `(n, …)`."""
        return float((found.reshape(len(found), -1).argmax(axis=1) == self.y).mean())


def _run(graph: Graph, x: np.ndarray) -> np.ndarray:
    return np.concatenate([graph.run(x[at : at + BATCH]) for at in range(0, len(x), BATCH)])


def _candidates(wish: Wish, first: Attempt, data: Dataset, show: Show) -> list[tuple[str, ...]]:
    """Which layers may stay in floating point, one choice after another."""
    if wish.sensitive == "conv":
        found = tuple(node.name for node in first.graph.nodes if node.spec.sensitive)
        if found:
            return [found]
        show.line("The model has no convolution to leave in floating point: layers are chosen by measured sensitivity.")
    elif wish.names:
        return [wish.names]
    if data.y_calibrate is None:
        raise Refusal("--sensitive auto needs labels of the training data to measure sensitivity by")
    reports = analyze(
        first.graph, first.qgraph, data.x_calibrate, Judging(data.x_calibrate, data.y_calibrate).outputs
    )  # fmt: skip
    return ranked(first.graph, reports)


def ranked(graph: Graph, reports: Sequence[LayerReport]) -> list[tuple[str, ...]]:
    """The most sensitive layer with a kernel, the two most sensitive ones, and so on to all of them.

    By the accuracy lost if a layer alone is quantized; where that is the same, by the noise at its output.
    """
    lost = {row.name: (-(row.lost or 0.0), row.sqnr) for row in reports}
    names = sorted((node.name for node in graph.nodes if node.spec.has_kernel), key=lost.__getitem__)
    return [tuple(names[: count + 1]) for count in range(len(names))]


def _stage(attempt: Attempt) -> Answer:
    return {
        "stage": attempt.stage, "what": attempt.what, "accuracy": attempt.accuracy,
        "bytes": attempt.qgraph.stored_bytes,
    }  # fmt: skip


def _rows(qgraph: QGraph, reports: dict[str, LayerReport]) -> list[Answer]:
    """The input, then each layer: its format, what the hardware stores for it, and what quantizing it does."""
    first: Answer = {"name": "input", "kind": "", "output_shape": list(qgraph.input_shape), "bytes": 0}
    rows = [{**first, **_format(qgraph.i), **_measured(reports.get("input"))}]
    for node in qgraph.nodes:
        rows.append({**_layer(node), **_format(node.o), **_measured(reports.get(node.name))})
    return rows


def _layer(node: QNode) -> Answer:
    return {
        "name": node.name, "kind": node.spec.kind, "output_shape": list(node.output_shape),
        "bytes": -(-node.stored_bits // 8),
    }  # fmt: skip


def _format(fmt: Any) -> Answer:
    return {
        "format": fmt.name, "bits": fmt.bits, "signed": bool(fmt.signed),
        "scale": getattr(fmt, "scale", None), "zero_point": getattr(fmt, "zero_point", None),
    }  # fmt: skip


def _measured(row: LayerReport | None) -> Answer:
    if row is None:
        return {"low": None, "high": None, "clipped": None, "sqnr_db": None, "accuracy_lost": None}
    return {
        "low": row.low, "high": row.high, "clipped": row.clipped,
        "sqnr_db": row.sqnr if np.isfinite(row.sqnr) else None, "accuracy_lost": row.lost,
    }  # fmt: skip
