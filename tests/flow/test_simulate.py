"""A whole network on Amaranth's simulator: outputs, cycles, and where a broken one is broken."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth import Mux

from dnn2fpga.errors import Refusal
from dnn2fpga.flow import simulate as module
from dnn2fpga.flow.engines import Pysim, Stalls
from dnn2fpga.flow.simulate import simulate
from dnn2fpga.hw.deal import rows_of
from dnn2fpga.hw.plan import plan
from dnn2fpga.hw.requantize import Rescale
from dnn2fpga.kinds import FOLDINGS

from ..networks import Builder

IMAGES = 4


@pytest.fixture(scope="module")
def network():
    """Integer model, plan and inputs of a small network with a layer of every shape of stream."""
    builder = Builder((6, 6, 1)).conv(2, (3, 3)).relu().pool((2, 2), (2, 2)).flatten().dense(3).softmax()
    qgraph = builder.quantized()
    return qgraph, plan(qgraph, FOLDINGS, fps=1_000_000), builder.samples(IMAGES)


def run(network, **options):
    qgraph, plan, x = network
    return simulate(plan, qgraph, x, Pysim(), **options)


def test_every_output_integer_is_the_reference_s(network):
    qgraph, _, x = network
    result = run(network)
    assert (result.outputs == qgraph.run(x)).all()
    assert result.outputs.shape == (IMAGES, *qgraph.output_shape)
    assert (result.engine, result.images, result.mismatches, result.first) == ("pysim", IMAGES, 0, None)
    assert result.images_per_second > 0


def test_the_cycles_are_those_that_the_plan_promised(network):
    _, plan, _ = network
    result = run(network)
    assert result.latency_cycles == plan.latency_cycles
    assert result.cycles_per_image == plan.cycles_per_image


def test_one_image_has_a_latency_but_no_interval(network):
    qgraph, plan, x = network
    result = simulate(plan, qgraph, x[:1], Pysim())
    assert result.latency_cycles == plan.latency_cycles
    assert result.cycles_per_image is None


def test_pauses_cost_cycles_and_no_integer(network):
    qgraph, plan, x = network
    result = run(network, stalls=Stalls(0.3, 0.3, 5))
    assert (result.outputs == qgraph.run(x)).all()
    assert result.latency_cycles > plan.latency_cycles


class Counting(Pysim):
    """Notes how many images each part has."""

    def run_parts(self, component, parts, **options):
        self.images.append([len(part.words_in) // 36 for part in parts])
        return super().run_parts(component, parts, **options)


def test_few_images_are_one_run_and_more_are_dealt_evenly(network, monkeypatch):
    monkeypatch.setattr(Counting, "images", [], raising=False)
    monkeypatch.setattr(module, "PART", 4)
    qgraph, plan, x = network
    x = np.concatenate([x, x, x])
    for images in (1, 4, 5, 10):
        simulate(plan, qgraph, x[:images], Counting())
    assert Counting.images == [[1], [4], [3, 2], [4, 3, 3]]


def test_parts_give_the_integers_and_cycles_of_one_run(network, monkeypatch):
    qgraph, plan, x = network
    x = np.concatenate([x, -x, x])
    whole = simulate(plan, qgraph, x, Pysim())
    monkeypatch.setattr(module, "PART", 4)
    parts = simulate(plan, qgraph, x, Pysim())
    assert (parts.outputs == whole.outputs).all()
    assert (parts.latency_cycles, parts.cycles_per_image) == (whole.latency_cycles, whole.cycles_per_image)
    assert parts.images == 12


def test_a_mismatch_in_a_later_part_is_found_where_it_is(network, monkeypatch, wrong_channels):
    whole = run(network)
    monkeypatch.setattr(module, "PART", 2)
    parts = run(network)
    assert (parts.mismatches, parts.first) == (whole.mismatches, whole.first)


def test_a_waveform_is_of_one_run(network, monkeypatch, tmp_path):
    ends = []
    for images in (100, 2):
        monkeypatch.setattr(module, "PART", images)
        run(network, vcd=tmp_path / "wave.vcd")
        ends.append((tmp_path / "wave.vcd").read_text().rpartition("#")[2])
    assert ends[0] == ends[1]


def test_progress_counts_images():
    builder = Builder((4, 4, 1)).conv(2, (1, 1))  # 16 words or more a result, and pysim tells every 64
    qgraph = builder.quantized()
    told = []
    x = builder.samples(9)
    simulate(plan(qgraph, FOLDINGS), qgraph, x, Pysim(), progress=told.append)
    assert told
    assert told == sorted(told)
    assert told[-1] <= 9


def test_a_waveform_is_written_if_asked_for(network, tmp_path):
    vcd = tmp_path / "wave.vcd"
    result = run(network, vcd=vcd)
    assert result.mismatches == 0
    assert vcd.read_text().startswith("$")
    assert "max_pool2d_2" in vcd.read_text()


def test_a_layer_broken_in_the_middle_is_the_one_that_is_named(network, monkeypatch):
    qgraph, _, x = network
    # Min-pooling instead: the winner of each comparison is the other one.
    monkeypatch.setattr("dnn2fpga.hw.max_pool2d.Mux", lambda greater, a, b: Mux(greater, b, a))
    result = run(network)
    layer, expected = next((n, y) for n, y in qgraph.trace(x) if n.spec.kind == "max_pool2d")
    assert result.mismatches == (result.outputs != qgraph.run(x)).sum() > 0
    assert result.first.layer == layer.name
    assert result.first.expected == expected[result.first.image][result.first.position]
    assert result.first.found != result.first.expected
    assert str(result.first).startswith(f"image {result.first.image}, layer '{layer.name}', position (")


def test_a_layer_broken_at_the_end_is_named_too(network, monkeypatch):
    qgraph, _, x = network
    # The last class wins, whatever the logits are.
    monkeypatch.setattr("dnn2fpga.hw.softmax.Mux", lambda at, a, b: Mux(at, a if isinstance(a, int) else 2, b))
    result = run(network)
    winners = qgraph.run(x)[:, -1]
    assert result.mismatches == np.count_nonzero(winners != 2) > 0
    assert result.first.layer == qgraph.nodes[-1].name
    assert result.first.position == (3,)
    assert (result.first.expected, result.first.found) == (winners[result.first.image], 2)


@pytest.fixture
def wrong_channels(monkeypatch):
    """Every channel gets the addend of its neighbor."""
    monkeypatch.setattr(Rescale, "addend_rows", lambda self, lanes: rows_of(np.roll(self.scaling.addend, 1), lanes))


def test_addends_of_other_channels_are_a_mismatch(network, wrong_channels):
    result = run(network)
    assert result.mismatches > 0
    assert result.first.layer == "conv2d_0"


def test_a_mismatch_keeps_the_waveform_of_the_whole_pipeline(network, wrong_channels, tmp_path):
    vcd = tmp_path / "wave.vcd"
    assert run(network, vcd=vcd).mismatches > 0
    assert "softmax_5" in vcd.read_text()  # the pipelines cut short to find the layer do not overwrite it


def test_inputs_that_do_not_fit_are_refused(network):
    qgraph, plan, _ = network
    with pytest.raises(Refusal, match="shape"):
        simulate(plan, qgraph, np.zeros((1, 5, 6, 1)), Pysim())
