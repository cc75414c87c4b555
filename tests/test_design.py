"""The Python interface, as the package's docstring shows it, on a tiny network."""

from __future__ import annotations

import json

import numpy as np
import pytest

import dnn2fpga as d2f
from dnn2fpga.errors import Refusal
from dnn2fpga.flow.build import BuildResult
from dnn2fpga.flow.engines import ENGINES, Stalls

from .networks import Builder


@pytest.fixture(scope="module")
def network():
    """A float graph, and samples for it."""
    builder = Builder((6, 6, 1)).conv(2, (3, 3)).relu().pool((2, 2), (2, 2)).flatten().dense(3).softmax()
    return builder.graph(), builder.samples()


@pytest.fixture(scope="module")
def qgraph(network):
    return d2f.quantize(*network, bits=8)


@pytest.fixture(scope="module")
def design(qgraph):
    return d2f.Design(qgraph, board="ulx3s_85f", fps=10_000)


def test_simulate_gives_the_reference(network, qgraph, design):
    images = network[1]
    result = design.simulate(images, ENGINES["pysim"])
    assert (result.outputs == qgraph.run(images)).all()
    assert result.mismatches == 0


def test_simulate_finds_an_engine_itself(network, qgraph, design, monkeypatch):
    monkeypatch.setattr("dnn2fpga.design.default_engine", lambda: ENGINES["pysim"])
    told = []
    result = design.simulate(network[1], stalls=Stalls(0.2, 0.2), progress=told.append)
    assert (result.engine, result.mismatches) == ("pysim", 0)


def test_the_plan_keeps_to_the_board_and_the_rate(design):
    assert design.plan.device.name == "LFE5U-85F"
    assert design.plan.clock_mhz == 80
    assert design.plan.images_per_second >= 10_000
    assert design.plan is design.plan


def test_without_a_board_there_is_a_plan_but_no_bitstream(qgraph, tmp_path):
    design = d2f.Design(qgraph)
    assert design.plan.device.name == "generic"
    with pytest.raises(d2f.Refusal, match="a bitstream is made for a board"):
        design.build(tmp_path / "build")


def test_ports_are_those_of_the_verilog(design):
    ports = design.ports()
    head = design.verilog().split("module dnn2fpga(")[1].split(");")[0]
    assert set(ports) == {name.strip() for name in head.split(",")}
    assert ports["clk"] == ports["i_valid"] == 1


@pytest.mark.parametrize("of", [str, lambda path: path], ids=["str", "Path"])
def test_build_gives_figures_and_keeps_the_model(qgraph, design, tmp_path, monkeypatch, of):
    def quick(pipeline, board, out, *, values_in, values_out, manifest, keep, progress):
        assert (values_in, values_out) == (36, 4)
        out.mkdir()
        keep()
        return BuildResult(out / "design.bit", 80.0, 90.0, 1, 1, 2, 3, 4)

    monkeypatch.setattr("dnn2fpga.design.build", quick)
    out = tmp_path / "build"
    figures = design.build(of(out))
    assert json.loads(json.dumps(figures)) == figures
    assert figures["bitstream"] == str(out / "design.bit")
    assert figures["cycles_per_image"] == design.plan.cycles_per_image
    images = np.zeros((1, 6, 6, 1))
    assert (d2f.load(out / "model").run(images) == qgraph.run(images)).all()


@pytest.mark.parametrize("which", [0, 1], ids=["float", "integer"])
def test_a_saved_model_comes_back(network, qgraph, tmp_path, which):
    model = (network[0], qgraph)[which]
    d2f.save(model, tmp_path / "m")
    back = d2f.load(tmp_path / "m")
    assert type(back) is type(model)
    assert (back.run(network[1]) == model.run(network[1])).all()


def test_widths_may_be_given_apart(network):
    qgraph = d2f.quantize(*network, bits=8, weight_bits=4)
    assert (qgraph.i.bits, qgraph.nodes[0].scalars["weight_bits"]) == (8, 4)


def test_an_unknown_board_is_refused_at_once(qgraph):
    with pytest.raises(d2f.Refusal, match="'arty' is not known"):
        d2f.Design(qgraph, board="arty")


def test_a_live_keras_model_goes_all_the_way():
    keras = pytest.importorskip("keras")
    layers = [
        keras.layers.Input((6, 6, 1)),
        keras.layers.Conv2D(2, 3, activation="relu"),
        keras.layers.Flatten(),
        keras.layers.Dense(3, activation="softmax"),
    ]
    graph = d2f.from_keras(keras.Sequential(layers))
    images = np.random.default_rng(0).uniform(0, 1, (4, 6, 6, 1))
    qgraph = d2f.quantize(graph, images)
    result = d2f.Design(qgraph, fps=100_000).simulate(images[:2], ENGINES["pysim"])
    assert (result.outputs == qgraph.run(images[:2])).all()


@pytest.mark.parametrize("clock", [0, -5, float("nan"), 401])
def test_refuses_a_clock_that_no_chip_has(qgraph, clock):
    with pytest.raises(Refusal, match="clock must be above 0 and at most 400 MHz, not"):
        d2f.Design(qgraph, board="ulx3s_85f", clock_mhz=clock)


def test_a_clock_of_ones_own_is_planned_with(qgraph):
    assert d2f.Design(qgraph, board="ulx3s_85f", clock_mhz=50).plan.clock_mhz == 50
    assert d2f.Design(qgraph, clock_mhz=50).plan.clock_mhz == 50
