from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dnn2fpga.errors import Refusal
from dnn2fpga.quant.optimizer import Optimizer, best_of, optimize
from dnn2fpga.quant.scheme import Scheme

from ..networks import Builder


@pytest.fixture(scope="module")
def network():
    builder = Builder((6, 6, 1)).conv(3, (3, 3)).relu().conv(3, (2, 2)).relu().flatten().dense(4).softmax()
    return builder.graph(), builder.samples(60)


class Trainer:
    """Stands for training: gives the graph back, and remembers what it was given."""

    def __init__(self):
        self.calls = []

    def __call__(self, graph, scheme, formats):
        self.calls.append((graph, scheme, formats))
        return graph, formats


def optimizer(network, scheme=Scheme(2, 2), accuracies=None, **options):  # noqa: B008 (frozen)
    """Judged by given accuracies, one after another, or by the float model's winners."""
    graph, x = network
    labels = graph.run(x).argmax(axis=1)

    def judge(qgraph):
        if accuracies is not None:
            return accuracies.pop(0)
        return float((qgraph.classify(qgraph.run(x)) == labels).mean())

    return Optimizer(graph, scheme, x, judge=judge, tune=Trainer(), **options)


CONVOLUTIONS = ("conv2d_0", "conv2d_2")


def walk(some, **options):
    return list(optimize(some, candidates=lambda first: [CONVOLUTIONS], **options))


def test_stages_end_where_the_target_is_reached(network):
    for reached in range(3):
        accuracies = [0.5] * reached + [0.9]
        stages = [attempt.stage for attempt in walk(optimizer(network, accuracies=accuracies), target=0.9)]
        assert stages == ["ptq", "partial", "qat"][: reached + 1]


def test_a_target_that_no_stage_reaches_visits_all_in_order(network):
    attempts = walk(optimizer(network, accuracies=[0.1, 0.3, 0.2]), target=0.9)
    assert [(attempt.stage, attempt.accuracy) for attempt in attempts] == [("ptq", 0.1), ("partial", 0.3), ("qat", 0.2)]
    assert best_of(attempts).stage == "partial"


def test_of_equals_the_first_is_best(network):
    assert best_of(walk(optimizer(network, accuracies=[0.3, 0.3, 0.3]), target=0.9)).stage == "ptq"


def test_without_a_target_all_layers_are_quantized_and_that_is_all(network):
    [attempt] = walk(optimizer(network))
    assert attempt.stage == "ptq"


@pytest.mark.parametrize("stage", ["ptq", "partial", "qat"])
def test_one_stage_alone(network, stage):
    assert [attempt.stage for attempt in walk(optimizer(network), stages=(stage,))] == [stage]


def test_partial_leaves_the_named_layers_in_floating_point(network):
    _, attempt, _ = walk(optimizer(network), target=1.1)
    kinds = {node.name: node.spec.kind for node in attempt.qgraph.nodes}
    assert [kinds[name] for name in CONVOLUTIONS] == ["float_conv2d"] * 2
    assert kinds["dense_5"] == "dense"
    assert attempt.what.startswith("conv2d_0, conv2d_2 in float32")


def test_what_was_corrected_for_integers_is_not_left_in_the_floats(network, monkeypatch):
    """Biases that make up for the errors of integers would themselves be errors beside exact sums."""
    monkeypatch.setattr("dnn2fpga.quant.optimizer.WORTHWHILE", np.inf)
    some = optimizer(network)
    assert "corrected" in some.ptq().what
    exact = some.partial([node.name for node in some.graph.nodes if node.spec.has_kernel])
    x = network[1]
    assert (
        np.abs(exact.qgraph.outputs_to_real(exact.qgraph.run(x))[:, :4] - floats_before_softmax(network)).max() < 1e-5
    )


def floats_before_softmax(network):
    graph, x = network
    return replace(graph, nodes=graph.nodes[:-1]).run(x)


def test_more_layers_are_left_until_it_suffices(network):
    some = optimizer(network, accuracies=[0.1, 0.2, 0.9])
    attempts = list(optimize(some, target=0.8, candidates=lambda first: [("conv2d_2",), ("conv2d_2", "dense_5")]))
    starts = ["conv2d_2 in float32", "conv2d_2, dense_5 in float32"]
    assert all(attempt.what.startswith(start) for attempt, start in zip(attempts[1:], starts, strict=True))


def test_training_starts_from_the_calibration_of_the_scheme(network):
    some = optimizer(network, Scheme(3, 3, calibration="mse"))
    walk(some, stages=("qat",))
    [(graph, scheme, formats)] = some.tune.calls
    assert scheme == Scheme(3, 3, calibration="mse")
    assert [node.name for node in graph.nodes] == [node.name for node in some.graph.nodes]
    assert set(formats.outputs) == {"conv2d_0", "conv2d_2", "dense_5"}


def test_improvements_stay_only_where_they_help(network):
    plain = optimizer(network, Scheme(3, 3), improve=False)
    better = optimizer(network, Scheme(3, 3))
    assert plain.ptq().what == "all layers in integers"
    assert better._error(better.ptq().qgraph) <= plain._error(plain.ptq().qgraph)
    fine = optimizer(network, Scheme(16, 16)).ptq()  # nothing is left to be gained by equalizing
    assert "equalized" not in fine.what


def test_lopsided_layers_are_equalized():
    """One scale a layer, and channels of very different size."""
    builder = Builder((4,)).dense(6).relu().dense(3)
    first, relu, last = builder.nodes
    size = 10.0 ** np.arange(-3, 3)
    builder.nodes = [
        first.with_weights(kernel=first.weights["kernel"] * size, bias=first.weights["bias"] * size),
        relu,
        last.with_weights(kernel=last.weights["kernel"] / size[:, np.newaxis]),
    ]
    attempt = Optimizer(builder.graph(), Scheme(per_channel=False), builder.samples(100)).ptq()
    assert "equalized" in attempt.what
    assert attempt.accuracy is None


def test_training_without_data_is_refused(network):
    graph, x = network
    with pytest.raises(Refusal, match=r"^quantization-aware training needs data to train on$"):
        Optimizer(graph, Scheme(), x).qat(graph)
