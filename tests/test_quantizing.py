"""The command `quantize`: what it asks of the optimizer, and what it says of the result."""

from __future__ import annotations

import json

import numpy as np
import pytest

import dnn2fpga as d2f
from dnn2fpga import quantizing
from dnn2fpga.cli import main
from dnn2fpga.quant.analysis import LayerReport
from dnn2fpga.quant.qat import Tuned

from .networks import Builder

SAMPLES = 60


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a small float model, and data that it labels itself."""
    folder = tmp_path_factory.mktemp("made")
    builder = Builder((6, 6, 1)).conv(3, (3, 3)).relu().conv(3, (2, 2)).relu().flatten().dense(4).softmax()
    x = builder.samples(SAMPLES)
    y = builder.graph().run(x).argmax(axis=1)
    d2f.save(builder.graph(), folder / "float")
    np.savez(folder / "data.npz", x_train=x[20:], y_train=y[20:], x_test=x[:20], y_test=y[:20])
    np.savez(folder / "unlabeled.npz", x=x)
    dense = Builder((5,)).dense(3)
    x = dense.samples(SAMPLES)
    d2f.save(dense.graph(), folder / "dense")
    np.savez(folder / "dense.npz", x=x, y=dense.graph().run(x).argmax(axis=1))
    return folder


@pytest.fixture
def untrained(monkeypatch):
    """Training that takes no time and changes nothing, for machines without TensorFlow; gives what it was asked."""
    asked = []

    def fine_tune(graph, scheme, formats, x, y, training, progress, teacher):
        asked.append((x, y, training))
        progress(training.epochs, training.epochs, {})
        return Tuned(graph, formats, 0, [])

    monkeypatch.setattr(quantizing, "fine_tune", fine_tune)
    return asked


@pytest.fixture
def quantize(made, tmp_path, capsys):
    """Runs the command with `--json`; gives its object, the status and what it said on standard error."""

    def run(*options, model="float", data="data.npz"):
        arguments = ["quantize", made / model, "--data", made / data, "--out", tmp_path / "q", *options, "--json"]
        status = main([*map(str, arguments)])
        captured = capsys.readouterr()
        return json.loads(captured.out) if captured.out else None, status, captured.err

    return run


def test_a_target_that_is_met_ends_at_the_first_stage(quantize):
    found, status, _ = quantize("--target-accuracy", 0.9)
    assert status == 0
    assert found["stage"] == "ptq"
    assert found["int_accuracy"] >= found["target_accuracy"] == 0.9
    assert len(found["stages"]) == 1


def test_a_target_that_is_not_met_visits_all_stages_and_keeps_the_best(quantize, untrained, tmp_path):
    found, status, said = quantize("--bits", 2, "--target-accuracy", 1, "--sensitive", "conv2d_0")
    assert status == 1
    assert [stage["stage"] for stage in found["stages"]] == ["ptq", "partial", "qat"]
    best = max(stage["accuracy"] for stage in found["stages"])
    assert found["int_accuracy"] == best < 1
    assert f"the best, {best:g}, of stage {found['stage']}, is in {tmp_path / 'q'}" in said
    kept = d2f.load(tmp_path / "q")
    assert kept.stored_bytes == found["bytes_int"]
    assert untrained[0][0].shape == (40, 6, 6, 1)  # trained on the training part alone


def test_the_best_of_the_stages_is_what_is_kept(quantize, untrained, tmp_path):
    options = ("--bits", 1, "--target-accuracy", 1, "--sensitive", "conv2d_0,conv2d_2,dense_5")
    found, status, _ = quantize(*options)
    assert (status, found["stage"], found["int_accuracy"]) == (0, "partial", 1)
    assert found["stages"][0]["accuracy"] < 1
    kinds = [node.spec.kind for node in d2f.load(tmp_path / "q").nodes]
    assert kinds == ["float_conv2d", "float_conv2d", "flatten", "float_dense", "softmax"]


def test_by_measured_sensitivity_as_few_layers_as_suffice(quantize, untrained):
    found, _, _ = quantize("--bits", 2, "--target-accuracy", 1, "--sensitive", "auto", "--float-format", "bfloat16")
    tried = [stage["what"] for stage in found["stages"] if stage["stage"] == "partial"]
    assert all(" in bfloat16" in what for what in tried)
    assert [what.split(" in ")[0].count(",") for what in tried] == list(range(len(tried)))


def test_a_model_without_convolutions_goes_by_sensitivity(quantize, untrained):
    found, _, _ = quantize("--bits", 1, "--target-accuracy", 1, model="dense", data="dense.npz")
    assert found["stages"][1]["what"].startswith("dense_0 in float32")


@pytest.mark.parametrize("stage", ["ptq", "partial", "qat"])
def test_one_stage_alone(quantize, untrained, stage):
    found, status, _ = quantize("--stage", stage)
    assert (status, found["stage"], len(found["stages"])) == (0, stage, 1)


def test_training_is_asked_for_as_the_options_say(quantize, untrained, tmp_path):
    options = ("--epochs", 3, "--rate", 0.01, "--seed", 7, "--learn-scales", "--dorefa", "--checkpoint", tmp_path / "c")
    quantize("--stage", "qat", *options)
    [(_, _, training)] = untrained
    assert (training.epochs, training.rate, training.seed) == (3, 0.01, 7)
    assert (training.learn_scales, training.dorefa, training.checkpoint) == (True, True, tmp_path / "c")


@pytest.mark.parametrize(
    ("options", "formats"),
    [
        (("--bits", 5, "--asymmetric"), ["uint5", "uint5", "uint5", "uint16"]),
        (("--bits", 4, "--input-bits", 8), ["int8", "uint4", "uint4", "int16"]),
        (("--bits", 1, "--sign", "--input-bits", 8), ["int8", "sign", "sign", "int16"]),
        (("--layer", "conv2d_0=4/3", "--layer", "dense_5=2/8"), ["int8", "uint3", "uint8", "int16"]),
        (("--power-of-two", "--per-tensor"), ["int8", "uint8", "uint8", "int16"]),
    ],
)
def test_formats(quantize, options, formats):
    found, _, _ = quantize(*options)
    layers = [layer for layer in found["layers"] if layer["kind"] in ("conv2d", "dense")]
    assert [found["input"]["format"], *(layer["format"] for layer in layers)] == formats
    assert (found["input"]["zero_point"] != 0) == ("--asymmetric" in options)
    if "--power-of-two" in options:
        assert all(np.log2(layer["scale"]) == int(np.log2(layer["scale"])) for layer in layers)


def test_every_layer_is_measured(quantize):
    found, _, _ = quantize("--bits", 3)
    for layer in (found["input"], *found["layers"][:-1]):
        assert layer["low"] <= layer["high"]
        assert 0 <= layer["clipped"] < 1
        assert -1 <= layer["accuracy_lost"] <= 1
        assert layer["sqnr_db"] is None or layer["sqnr_db"] > 0


def test_bytes_are_those_of_all_constants(quantize, tmp_path):
    found, _, _ = quantize("--bits", 4)
    dense = next(layer for layer in found["layers"] if layer["kind"] == "dense")
    node = next(node for node in d2f.load(tmp_path / "q").nodes if node.name == dense["name"])
    constants = sum(
        max(int(value).bit_length() for value in node.arrays["multiplier"]) for _ in node.arrays["multiplier"]
    )
    offsets = max(int(value if value >= 0 else ~value).bit_length() for value in node.arrays["offset"]) + 1
    assert dense["bytes"] == -(-(node.arrays["kernel"].size * 4 + constants + 4 * offsets) // 8)


def test_a_person_reads_the_stages(made, tmp_path, capsys, untrained):
    arguments = ["quantize", made / "float", "--data", made / "data.npz", "--out", tmp_path / "q", "--bits", 2]
    assert main([*map(str, arguments), "--target-accuracy", "1"]) in (0, 1)
    said = capsys.readouterr().out
    assert "Stages" in said
    assert "lost alone" in said


@pytest.mark.parametrize(
    ("options", "data", "text"),
    [
        (
            ("--target-accuracy", 98),
            "data.npz",
            "--target-accuracy must be above 0 and at most 1, such as 0.98, not 98",
        ),
        (("--target-accuracy", 0.9), "unlabeled.npz", "--target-accuracy needs data with labels"),
        (("--layer", "conv2d_0=4"), "data.npz", "--layer takes NAME=W/A, such as conv2d=4/8, not 'conv2d_0=4'"),
        (("--layer", "none=4/4"), "data.npz", "there is no layer 'none' with weights; there are: conv2d_0, "),
        (("--stage", "partial", "--sensitive", "relu_1"), "data.npz", "there is no layer 'relu_1' with weights"),
        (("--stage", "partial", "--sensitive", "auto"), "data.npz", "--sensitive auto needs a --target-accuracy"),
        (("--calibration", "guess"), "data.npz", "invalid choice: 'guess'"),
        (("--epochs", 0, "--stage", "qat"), "data.npz", "epochs must be at least 1, not 0"),
    ],
)
def test_what_cannot_be_done_is_refused(quantize, tmp_path, options, data, text):
    found, status, said = quantize(*options, data=data)
    assert (found, status) == (None, 2)
    assert text in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "q").exists()


def test_the_most_sensitive_layers_come_first():
    graph = Builder((4,)).dense(4).relu().dense(4).dense(4).graph()
    names = [node.name for node in graph.nodes if node.spec.has_kernel]
    lost = [
        LayerReport(name, 0, 1, 0, sqnr, loss) for name, sqnr, loss in zip(names, (9, 5, 7), (0, 0, 0.1), strict=True)
    ]
    assert quantizing.ranked(graph, lost) == [
        (names[2],), (names[2], names[1]), (names[2], names[1], names[0]),
    ]  # fmt: skip
