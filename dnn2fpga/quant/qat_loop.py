"""The training loop: epochs of Adam on a fake-quantized model, the best of which by validation is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import qat_checkpoint
from .qat_model import FakeQuantized

EVALUATED = 500
"""Samples that are evaluated at once."""

Row = dict[str, float]
Progress = Callable[[int, int, Row], object]


@dataclass(frozen=True)
class Samples:
    """Inputs `x` `(n, *input_shape)`, labels `y` `(n,)`, the float model's `outputs` `(n, outputs)`; parts by index."""

    x: np.ndarray
    y: np.ndarray | None
    outputs: np.ndarray | None
    trained: np.ndarray
    validated: np.ndarray


class Loop:
    """A training of `model`. Adam's rate falls from `rate` to 0 along a cosine.

    The loss is the cross-entropy with the labels, the share `distillation` of it that with the float model's
    outputs; without labels it is the mean squared distance from those outputs.
    """

    def __init__(
        self, tf: Any, keras: Any, model: FakeQuantized, samples: Samples, *,
        epochs: int, batch: int, rate: float, distillation: float, seed: int,
    ) -> None:  # fmt: skip
        self._tf, self._model, self._samples = tf, model, samples
        self._epochs, self._batch, self._distillation, self._seed = epochs, batch, distillation, seed
        self._x = tf.constant(samples.x)
        self._y = None if samples.y is None else tf.constant(samples.y, tf.int32)
        self._outputs = None if samples.outputs is None else tf.constant(samples.outputs)
        steps = epochs * -(-len(samples.trained) // batch)
        self._optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps))
        self._optimizer.build(model.variables)
        indices = [tf.TensorSpec([None], tf.int32)]
        self._train = tf.function(self._step, input_signature=indices)
        self._evaluate = tf.function(self._figures, input_signature=indices)
        self._epoch, self._best_epoch = 0, 0
        self._best: list[np.ndarray] = []
        self._history: list[Row] = []

    def run(self, progress: Progress, checkpoint: Path | None, owner: str) -> tuple[int, list[Row]]:
        """Train, from the `checkpoint` of `owner` on if there is one; leaves the model as it was in its best epoch.

        Gives that epoch and the history.
        """
        if checkpoint is not None and checkpoint.exists():
            self._restore(qat_checkpoint.load(checkpoint, owner))
        else:
            self._finish(self._mean(self._evaluate, self._samples.trained, EVALUATED), checkpoint, owner)
        while self._epoch < self._epochs:
            self._epoch += 1
            order = np.random.default_rng([self._seed, self._epoch]).permutation(self._samples.trained)
            self._finish(self._mean(self._train, order, self._batch), checkpoint, owner)
            progress(self._epoch, self._epochs, self._history[-1])
        _assign(self._model.variables, self._best)
        return self._best_epoch, self._history

    def _loss(self, at: Any) -> tuple[Any, Any]:
        """The mean loss of some samples, and the share of them whose label wins (without labels 0)."""
        tf, nn = self._tf, self._tf.nn
        outputs = self._model(tf.gather(self._x, at))
        outputs = tf.reshape(outputs, (-1, int(np.prod(outputs.shape[1:]))))
        wanted = None if self._outputs is None else tf.gather(self._outputs, at)
        if self._y is None:
            return tf.reduce_mean(tf.square(outputs - wanted)), 0.0
        labels = tf.gather(self._y, at)
        loss = tf.reduce_mean(nn.sparse_softmax_cross_entropy_with_logits(labels, outputs))
        if wanted is not None:
            soft = tf.reduce_mean(nn.softmax_cross_entropy_with_logits(nn.softmax(wanted), outputs))
            loss = (1 - self._distillation) * loss + self._distillation * soft
        won = tf.argmax(outputs, axis=1, output_type=tf.int32) == labels
        return loss, tf.reduce_mean(tf.cast(won, tf.float32))

    def _figures(self, at: Any) -> Any:
        return self._tf.stack(self._loss(at))

    def _step(self, at: Any) -> Any:
        variables = self._model.variables
        with self._tf.GradientTape() as tape:
            loss, accuracy = self._loss(at)
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        self._optimizer.apply(gradients, variables)
        return self._tf.stack([loss, accuracy])

    def _mean(self, run: Callable[[Any], Any], indices: np.ndarray, batch: int) -> Row:
        """The mean loss and accuracy of `run` on samples, batch by batch."""
        parts = [indices[at : at + batch].astype(np.int32) for at in range(0, len(indices), batch)]
        sums = sum(len(part) * run(part).numpy().astype(np.float64) for part in parts) / len(indices)
        row = {"loss": float(sums[0])}
        return row if self._y is None else {**row, "accuracy": float(sums[1])}

    def _finish(self, trained: Row, checkpoint: Path | None, owner: str) -> None:
        """Write the history's row of this epoch, keep its weights if they are the best so far, and the checkpoint."""
        validated = self._mean(self._evaluate, self._samples.validated, EVALUATED)
        row = {"epoch": self._epoch, **trained, **{f"validation_{name}": value for name, value in validated.items()}}
        self._history.append(row)
        if not self._best or _merit(row) >= _merit(self._history[self._best_epoch]):
            self._best_epoch, self._best = self._epoch, _values(self._model.variables)
        if checkpoint is not None:
            qat_checkpoint.save(checkpoint, owner, self._state())

    def _state(self) -> dict[str, np.ndarray]:
        groups = {
            "variable": _values(self._model.variables),
            "optimizer": _values(self._optimizer.variables),
            "best": self._best,
        }
        arrays = {f"{name}_{index}": value for name, values in groups.items() for index, value in enumerate(values)}
        numbers = {"epoch": self._epoch, "best_epoch": self._best_epoch, "history": self._history}
        return {**arrays, "numbers": np.array(json.dumps(numbers))}

    def _restore(self, arrays: dict[str, np.ndarray]) -> None:
        numbers = json.loads(str(arrays["numbers"]))
        self._epoch, self._best_epoch, self._history = numbers["epoch"], numbers["best_epoch"], numbers["history"]
        variables, optimizer = self._model.variables, self._optimizer.variables
        _assign(variables, [arrays[f"variable_{index}"] for index in range(len(variables))])
        _assign(optimizer, [arrays[f"optimizer_{index}"] for index in range(len(optimizer))])
        self._best = [arrays[f"best_{index}"] for index in range(len(variables))]


def _merit(row: Row) -> tuple[float, float]:
    """What makes one epoch better than another: its accuracy, if there are labels, then its loss."""
    return row.get("validation_accuracy", 0.0), -row["validation_loss"]


def _values(variables: Sequence[Any]) -> list[np.ndarray]:
    return [variable.numpy() for variable in variables]


def _assign(variables: Sequence[Any], values: Sequence[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
