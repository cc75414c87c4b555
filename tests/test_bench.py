from __future__ import annotations

import json

import pytest

from dnn2fpga import bench
from dnn2fpga.hw.requantize import Rescale


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """One network, one image, one engine that always runs and one that never does."""
    monkeypatch.setattr(bench, "BOARDS", {"mnist_mlp": ("icebreaker", None)})
    monkeypatch.setattr(bench, "IMAGES", {"pysim": 2, "icarus": 1})
    monkeypatch.setattr(type(bench.ENGINES["icarus"]), "missing", lambda self: "icarus is not here")


def test_for_a_machine(capsys):
    assert bench.main(["--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    [ran, not_run] = json.loads(captured.out)["runs"]
    assert (ran["network"], ran["engine"]) == ("mnist_mlp", "pysim")
    assert (ran["images"], ran["mismatches"], ran["note"]) == (2, 0, "")
    assert ran["cycles_per_image"] < ran["latency_cycles"]
    assert (not_run["images"], not_run["note"]) == (None, "icarus is not here")


def test_for_a_person(capsys):
    assert bench.main([]) == 0
    said = capsys.readouterr().out
    assert "mnist_mlp   pysim" in said
    assert "not run: icarus is not here" in said


def test_a_mismatch_is_status_1_with_the_figures(capsys, monkeypatch):
    monkeypatch.setattr(Rescale, "addend", property(lambda self: self.offset))
    assert bench.main(["--json"]) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["runs"][0]["mismatches"] > 0
    assert captured.err.splitlines() == [
        "dnn2fpga: the hardware does not give the reference's integers: mnist_mlp on pysim"
    ]


def test_bad_usage_is_one_line(capsys):
    assert bench.main(["--fast"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    [line] = captured.err.splitlines()
    assert line.startswith("dnn2fpga: unrecognized arguments: --fast")
