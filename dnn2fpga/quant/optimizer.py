"""Algorithm 1 of DNN2FPGA: quantize all layers; else leave the sensitive ones in floating point; else train on.

Tourad and Eleuldj 2021, "DNN2FPGA: Generic Design Flow to Implement DNNs on FPGAs".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import Refusal
from ..model.graph import Graph
from .graph import QGraph, check_batch
from .improve import correct_biases, equalize
from .quantize import calibrated, integer_graph
from .scheme import Formats, Scheme

STAGES = ("ptq", "partial", "qat")
"""Post-training quantization of all layers; partial quantization; quantization-aware training."""

MEASURED = 1_000
"""Samples on which an improvement is measured."""

WORTHWHILE = 0.95
"""An improvement stays if the error at the model's output falls at least to this part of what it was."""

TINY = 1e-9
"""Added to probabilities before their logarithm is taken."""

Judge = Callable[[QGraph], float]
Tune = Callable[[Graph, Scheme, Formats], tuple[Graph, Formats]]


@dataclass(frozen=True)
class Attempt:
    """One result on the way: of which stage, and in words what was done.

    `graph` is the float model that was quantized, `accuracy` the share of judged samples that are right, None where
    there was nothing to judge by.
    """

    stage: str
    what: str
    graph: Graph
    scheme: Scheme
    qgraph: QGraph
    accuracy: float | None


class Optimizer:
    """Quantizes `graph` as `scheme` says, calibrated on `samples` `(n, *input_shape)`.

    `judge` gives the accuracy of an integer model, `tune` trains on (`quant/qat.py`); None where there are no labels
    to judge by, or nothing to train with. With `improve` equalization and bias correction are tried, and kept where
    they help. Raises `Refusal` on data, weights or a scheme that cannot be used.
    """

    def __init__(
        self,
        graph: Graph,
        scheme: Scheme,
        samples: np.ndarray,
        *,
        judge: Judge | None = None,
        tune: Tune | None = None,
        improve: bool = True,
    ) -> None:
        self.scheme = scheme
        self.graph = scheme.prepared(graph)
        self.samples = check_batch(samples, graph.input_shape, "calibration data")
        self.judge, self.tune, self.improve = judge, tune, improve

    def ptq(self) -> Attempt:
        """All layers in integers, after training."""
        return self._after_training("ptq", "all layers in integers", self.scheme)

    def partial(self, floating: Sequence[str]) -> Attempt:
        """The layers `floating` in floating point, the others in integers, after training."""
        scheme = replace(self.scheme, floating=frozenset(floating))
        return self._after_training("partial", f"{', '.join(floating)} in {scheme.float_format}", scheme)

    def _after_training(self, stage: str, what: str, scheme: Scheme) -> Attempt:
        """Quantized as `scheme` says, with the improvements that help."""
        graph = self.graph
        formats = calibrated(graph, self.samples, scheme)
        best = integer_graph(graph, scheme, formats)
        if self.improve:
            error = self._error(best)
            other = equalize(graph)
            other_formats = calibrated(other, self.samples, scheme)
            candidate = integer_graph(other, scheme, other_formats)
            if (smaller := self._error(candidate)) <= WORTHWHILE * error:
                graph, formats, best, error, what = other, other_formats, candidate, smaller, f"{what}, equalized"
            # Norms are kept by multipliers, which powers of two leave no choice.
            formats = replace(formats, norms_kept=not scheme.power_of_two)
            other = correct_biases(graph, integer_graph(graph, scheme, formats), self.samples[:MEASURED])
            candidate = integer_graph(other, scheme, formats)
            if self._error(candidate) <= WORTHWHILE * error:
                graph, best, what = other, candidate, f"{what}, biases and norms corrected"
        return self._attempt(stage, what, graph, scheme, best)

    def qat(self, graph: Graph) -> Attempt:
        """All layers in integers, trained on with the roundings of the integers."""
        if self.tune is None:
            raise Refusal("quantization-aware training needs data to train on")
        tuned, formats = self.tune(graph, self.scheme, calibrated(graph, self.samples, self.scheme))
        qgraph = integer_graph(tuned, self.scheme, formats)
        return self._attempt("qat", "all layers in integers, trained on", tuned, self.scheme, qgraph)

    def _attempt(self, stage: str, what: str, graph: Graph, scheme: Scheme, qgraph: QGraph) -> Attempt:
        return Attempt(stage, what, graph, scheme, qgraph, self.judge(qgraph) if self.judge else None)

    def _error(self, qgraph: QGraph) -> float:
        """How far the model is from the float one, at its output.

        Of a classifier that is the mean divergence (Kullback-Leibler) of its classes' probabilities: the squared error
        of logits would praise what makes the sure ones surer. Of others it is the mean squared error.
        """
        x = np.asarray(self.samples[:MEASURED], np.float32)
        expected = self.graph.run(x)
        found = qgraph.outputs_to_real(qgraph.run(x))[..., : expected.shape[-1]]
        last = self.graph.nodes[-1].spec
        if not last.classifies:
            return float(np.square(found - expected).mean())
        return float((expected * np.log((expected + TINY) / (last.run_float({}, found) + TINY))).sum(axis=-1).mean())


def optimize(
    optimizer: Optimizer,
    *,
    stages: Sequence[str] = STAGES,
    target: float | None = None,
    candidates: Callable[[Attempt], Sequence[Sequence[str]]],
) -> Iterator[Attempt]:
    """Walk the `stages` in order and give each result, until one reaches the accuracy `target`.

    `candidates` says, given the result of the first stage, which layers may stay in floating point: one choice after
    another, the last the most that is allowed. Without a target the first stage is all there is to do.
    """
    first = optimizer.ptq()
    if "ptq" in stages:
        yield first
        if target is None or _reached(first, target):
            return
    if "partial" in stages:
        for floating in candidates(first):
            attempt = optimizer.partial(floating)
            yield attempt
            if _reached(attempt, target):
                return
    if "qat" in stages:
        yield optimizer.qat(first.graph)


def _reached(attempt: Attempt, target: float | None) -> bool:
    return target is not None and attempt.accuracy is not None and attempt.accuracy >= target


def best_of(attempts: Sequence[Attempt]) -> Attempt:
    """The most accurate; of equal ones the first, which is the smallest."""
    return max(attempts, key=lambda attempt: attempt.accuracy or 0.0)
