"""Quantization-aware training: weights, and on request scales, are trained with the roundings of the integer model.

TensorFlow and Keras are imported only when a training starts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import Refusal
from ..model.frameworks import tensorflow_and_keras
from ..model.graph import Graph, Values
from .graph import check_batch
from .qat_checkpoint import fingerprint
from .qat_loop import EVALUATED, Loop, Progress, Row, Samples
from .qat_model import FakeQuantized
from .scheme import Formats, Scheme


@dataclass(frozen=True)
class Training:
    """How to train.

    `epochs` passes over the samples in batches of `batch`, with Adam (Kingma and Ba 2015), whose rate falls from
    `rate` to 0 along a cosine. The share `validation` of the samples is not trained on: it chooses the best epoch.
    `learn_scales` trains scales too (LSQ), where `FakeFormat` and `FakeKernel` can; `dorefa` keeps weights as those
    of DoReFa. With labels and a teacher, the share `distillation` of the loss is the divergence from its outputs
    (Hinton, Vinyals and Dean 2015). `seed` sets the order of the samples. `checkpoint` is an `.npz` file that is
    written after each epoch; if it is there at the start, training goes on from it.
    """

    epochs: int = 10
    batch: int = 64
    rate: float = 1e-3
    validation: float = 0.1
    learn_scales: bool = False
    dorefa: bool = False
    distillation: float = 0.5
    seed: int = 0
    checkpoint: Path | None = None

    def check(self) -> None:
        """Raise `Refusal` on a setting that cannot be used."""
        for name, value, right, wanted in (
            ("epochs", self.epochs, self.epochs >= 1, "at least 1"),
            ("the batch", self.batch, self.batch >= 1, "at least 1"),
            ("the rate", self.rate, 0 < self.rate < np.inf, "positive"),
            ("the share to validate on", self.validation, 0 < self.validation < 1, "between 0 and 1"),
            ("the share of distillation", self.distillation, 0 <= self.distillation <= 1, "from 0 to 1"),
        ):
            if not right:
                raise Refusal(f"{name} must be {wanted}, not {value!r}")


@dataclass(frozen=True)
class Tuned:
    """A trained model: `integer_graph(graph, scheme, formats)` is the integer one, `epoch` the one it is of.

    `history` has a row an epoch, the first, epoch 0, from before training: `epoch`, `loss`, `validation_loss` and,
    with labels, `accuracy` and `validation_accuracy`, all of the model with its roundings.
    """

    graph: Graph
    formats: Formats
    epoch: int
    history: list[Row]


def fine_tune(
    graph: Graph,
    scheme: Scheme,
    formats: Formats,
    x: np.ndarray,
    y: np.ndarray | None = None,
    training: Training = Training(),
    progress: Progress = lambda epoch, epochs, row: None,
    *,
    teacher: Graph | None = None,
) -> Tuned:
    """Train `graph` on real inputs `x` `(n, *input_shape)` for the integers that `scheme` and `formats` make of it.

    `formats` are those that `calibrated` gives for `scheme.prepared(graph)`. With labels `y` `(n,)` the loss is the
    cross-entropy of the outputs, which are logits where the model ends in softmax; a part of it follows the outputs
    of `teacher`, the float model as it came, if one is given. Without labels it is the mean squared distance from
    those outputs; the teacher is then `graph` itself unless another is given.

    The best epoch on the validation part is returned, by accuracy, then by loss: epoch 0 if training only harms.
    `progress` is called after each epoch, with its number, their count and its row of the history. On one machine,
    equal arguments give equal weights.

    Raises `Refusal` on data, settings or a checkpoint that cannot be used, and without TensorFlow.
    """
    training.check()
    x = check_batch(x, graph.input_shape, "training data").astype(np.float32)
    prepared = scheme.prepared(graph)
    if y is not None:
        y = _checked_labels(y, len(x), int(np.prod(prepared.output_shape)))
    validated = max(1, round(len(x) * training.validation))
    if validated >= len(x):
        raise Refusal(f"training data holds {len(x)} samples; at least two are needed, one of them to validate on")
    if y is None and teacher is None:
        if scheme.sign:  # `graph` may be a prepared one, without its ReLUs, which no longer gives sensible outputs
            raise Refusal("training for signs without labels needs the float model as its teacher; give one, or labels")
        teacher = graph
    tf, keras = tensorflow_and_keras("training")
    model = FakeQuantized(keras, prepared, scheme, formats, learn_scales=training.learn_scales, dorefa=training.dorefa)
    outputs = None
    if teacher is not None and (y is None or training.distillation > 0):
        outputs = _float_outputs(tf, keras, Scheme().prepared(teacher), x)
    order = np.random.default_rng(training.seed).permutation(len(x))
    loop = Loop(
        tf, keras, model, Samples(x, y, outputs, order[validated:], order[:validated]), epochs=training.epochs,
        batch=training.batch, rate=training.rate, distillation=training.distillation, seed=training.seed,
    )  # fmt: skip
    owner = fingerprint(prepared, scheme, formats, replace(training, checkpoint=None), x, y, outputs)
    epoch, history = loop.run(progress, training.checkpoint, owner)
    return Tuned(*model.tuned(), epoch, history)


def _checked_labels(y: np.ndarray, n: int, classes: int) -> np.ndarray:
    """Labels `(n,)`. Raises `Refusal` on others, and on one that the model has no output for."""
    y = np.asarray(y)
    if y.shape != (n,) or not np.issubdtype(y.dtype, np.integer):
        raise Refusal(f"labels must be {n} integers, one a sample, not {y.dtype} of shape {y.shape}")
    if y.min() < 0 or y.max() >= classes:
        raise Refusal(f"labels are from {y.min()} to {y.max()}; the model has {classes} outputs, from 0")
    return y


def _float_outputs(tf: Any, keras: Any, graph: Graph, x: np.ndarray) -> np.ndarray:
    """What the float model gives, `(n, outputs)`, logits where it ends in softmax."""

    @tf.function(reduce_retracing=True)
    def run(x: Any) -> Any:
        values: Values[Any] = Values(graph.nodes, x)
        for node in graph.nodes:
            weights = {name: keras.ops.cast(weight, "float32") for name, weight in node.weights.items()}
            x = values[node.name] = node.spec.run_traced(keras.ops, weights, *values.of(node), pad=0.0)
        return keras.ops.reshape(x, (-1, int(np.prod(x.shape[1:]))))

    return np.concatenate([run(x[at : at + EVALUATED]).numpy() for at in range(0, len(x), EVALUATED)])
