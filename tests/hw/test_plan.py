"""The plan: budgets, images a second, refusals, and data that prints."""

import json
from dataclasses import replace

import pytest

from dnn2fpga.dataset import read_dataset
from dnn2fpga.errors import Refusal
from dnn2fpga.hw import plan as module
from dnn2fpga.hw import unrolled
from dnn2fpga.hw.choose import Budget, choices_of, choose, cycle_targets
from dnn2fpga.hw.plan import TooSmall, plan, smallest
from dnn2fpga.hw.resources import Device, Resources
from dnn2fpga.hw.schedule import timed
from dnn2fpga.kinds import FOLDINGS, SPECS
from dnn2fpga.model import description
from dnn2fpga.quant.quantize import quantize_graph
from dnn2fpga.shipped import digits, model_folder

from ..networks import Builder
from ..test_branches import residual

LARGE = Device("large", "ecp5", Resources(luts=80_000, ffs=80_000, dsps=156, brams=208))
LARGE_ICE40 = Device("large ice40", "ice40", Resources(luts=80_000, ffs=80_000, dsps=64, brams=208))
SMALL = Device("small", "ecp5", Resources(luts=24_000, ffs=24_000, dsps=28, brams=56))


@pytest.fixture(scope="module")
def qgraph():
    graph = description.load(model_folder("mnist_cnn"), SPECS)
    return quantize_graph(graph, read_dataset(digits()).x_calibrate)


def test_meets_the_images_a_second_asked_for_with_less_than_the_fastest(qgraph):
    asked = plan(qgraph, FOLDINGS, LARGE, 80.0, fps=5_000)
    fastest = plan(qgraph, FOLDINGS, LARGE, 80.0)
    assert asked.images_per_second >= 5_000
    assert fastest.cycles_per_image < asked.cycles_per_image
    assert fastest.resources.dsps > asked.resources.dsps
    assert fastest.resources.luts > asked.resources.luts


def test_the_fastest_has_layers_around_the_slowest_that_bursts_do_not_hold_up():
    graph = description.load(model_folder("mnist_mlp"), SPECS)
    mlp = quantize_graph(graph, read_dataset(digits()).x_calibrate)
    assert plan(mlp, FOLDINGS, LARGE, 80.0).cycles_per_image == 28 * 28  # pooling takes a pixel a clock


def test_fits_the_budget_and_leaves_what_is_reserved(qgraph):
    reserved = Resources(luts=6_000, dsps=16, brams=16)
    found = plan(qgraph, FOLDINGS, SMALL, 80.0, reserved=reserved)
    budget = Budget(SMALL, Resources())
    assert not budget.excess(found.resources)
    without = plan(qgraph, FOLDINGS, SMALL, 80.0)
    assert without.cycles_per_image < found.cycles_per_image


def test_takes_no_more_than_it_is_told_to(qgraph):
    most = Resources(luts=15_000, ffs=20_000, dsps=11, brams=40)
    found = plan(qgraph, FOLDINGS, LARGE, 80.0, most=most, reserved=Resources(dsps=2))
    assert found.resources.most(most) == most
    assert plan(qgraph, FOLDINGS, LARGE, 80.0).resources.most(most) != most


def test_multipliers_of_luts_take_the_place_of_hard_ones_that_are_few(qgraph):
    """A search that would rather avoid the few there are unrolls the convolution: 28,000 flip-flops."""
    few = replace(LARGE, budget=replace(LARGE.budget, dsps=11, ffs=33_000))
    found = plan(qgraph, FOLDINGS, few, 80.0, fps=6_250)
    assert found.resources.ffs < 15_000


def test_pairs_of_products_are_used_where_multipliers_are_few(qgraph):
    """An iCE40's multiplier holds two products of 8 bits: with as many of them more is done."""
    few = replace(LARGE_ICE40, budget=replace(LARGE_ICE40.budget, luts=12_000, dsps=40))
    found = plan(qgraph, FOLDINGS, few, 24.0, fps=800)
    assert any(getattr(layer.folding.folding, "pairs", None) for layer in found.layers if "conv" in layer.node.name)


def test_adders_are_found_only_where_they_may_be_the_cheapest(qgraph, monkeypatch):
    found = []
    graph_of = unrolled.graph_of
    monkeypatch.setattr(unrolled, "graph_of", lambda kernel, x: found.append(kernel.shape) or graph_of(kernel, x))
    plan(qgraph, FOLDINGS, LARGE, 80.0, fps=1_000)
    assert (108, 12) not in found
    plan(qgraph, FOLDINGS, LARGE, 120.0, fps=150_000)
    assert (108, 12) in found


def test_refuses_what_no_design_reaches_and_says_what_does(qgraph):
    with pytest.raises(Refusal, match=r"1e\+06 images/s do not fit small at 80 MHz, \d+ do; ask for fewer"):
        plan(qgraph, FOLDINGS, SMALL, 80.0, fps=1e6)
    most = plan(qgraph, FOLDINGS, SMALL, 80.0).images_per_second
    assert plan(qgraph, FOLDINGS, SMALL, 80.0, fps=int(most)).images_per_second >= int(most)


@pytest.mark.parametrize("fps", [0, -1, float("nan")])
def test_refuses_images_a_second_that_are_not_positive(qgraph, fps):
    with pytest.raises(Refusal, match="fps must be above 0, not"):
        plan(qgraph, FOLDINGS, SMALL, 80.0, fps=fps)


def test_refuses_a_device_that_is_too_small_and_says_what_lacks(qgraph):
    tiny = Device("tiny", "ice40", Resources(luts=5280, ffs=5280, dsps=8, brams=30))
    with pytest.raises(Refusal, match=r"tiny is too small: the smallest design takes .*\d+ of 30 brams"):
        plan(qgraph, FOLDINGS, tiny, 24.0)


@pytest.fixture(scope="module")
def around():
    """A network whose short branch waits in block RAM: an iCE40 has no other memory."""
    return residual().quantized()


def test_queues_where_branches_meet_must_fit_too(around):
    free = plan(around, FOLDINGS, LARGE_ICE40, 80.0)
    joins = [join for layer in free.layers for join in layer.joins]
    assert sum(join.resources(LARGE_ICE40).brams for join in joins) > 0
    tight = replace(LARGE_ICE40, budget=replace(LARGE_ICE40.budget, brams=free.resources.brams - 1))
    found = plan(around, FOLDINGS, tight, 80.0)
    assert not Budget(tight, Resources()).excess(found.resources)


def test_a_device_is_too_small_where_only_the_queues_are_too_many(around):
    budget = Budget(LARGE_ICE40, Resources())
    choices = choices_of(around, FOLDINGS, budget)
    _, without = choose(choices, cycle_targets(choices)[-1], budget)
    whole = smallest("around", choices, budget, 80.0).resources.brams
    assert without.brams < whole
    tight = Budget(replace(LARGE_ICE40, budget=replace(LARGE_ICE40.budget, brams=whole - 1)), Resources())
    with pytest.raises(TooSmall, match=f"takes {whole} of {whole - 1} brams"):
        smallest("around", choices, tight, 80.0)
    # A faster one has its weights in adders, and room for the queues.
    assert not tight.excess(plan(around, FOLDINGS, tight.device, 80.0, fps=100_000).resources)


def test_the_cheapest_plan_of_a_speed_has_queues_where_bursts_would_hold_it_up(qgraph):
    board = Device("large", "ecp5", Resources(luts=84_000, ffs=84_000, dsps=156, brams=208))
    found = plan(qgraph, FOLDINGS, board, 120.0, fps=150_000)
    assert found.cycles_per_image <= 800
    depths = {layer.node.name: [join.depth for join in layer.joins] for layer in found.layers}
    assert depths["dense"][0] > 0  # behind a max-pooling
    bare = [replace(layer, joins=tuple(replace(join, depth=0) for join in layer.joins)) for layer in found.layers]
    assert timed(bare)[0] > 800


def test_a_goal_of_latency_is_reached_or_refused():
    small = Builder((6, 6, 2)).conv(2, (3, 3)).relu().flatten().dense(3).quantized()
    slow = plan(small, FOLDINGS, LARGE, 120.0, fps=50_000)
    found = plan(small, FOLDINGS, LARGE, 120.0, fps=50_000, latency_us=4)
    assert found.latency_cycles <= 4 * 120 < slow.latency_cycles
    with pytest.raises(Refusal, match=r"a latency of 0.5 µs is not reached on large at 120 MHz, \d+ µs is"):
        plan(small, FOLDINGS, LARGE, 120.0, latency_us=0.5)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 57])
def test_the_first_that_is_enough_is_found_by_asking_few(n):
    for first in range(n + 1):
        asked = []
        assert module._first(n, lambda at, first=first, asked=asked: asked.append(at) or at >= first) == first
        assert all(0 <= at < n for at in asked)
        assert len(asked) <= 2 * (first + 1).bit_length()


def test_a_device_without_multipliers_gets_them_of_luts(qgraph):
    none = Device("none", "ecp5", Resources(luts=24_000, ffs=24_000, dsps=0, brams=56))
    found = plan(qgraph, FOLDINGS, none, 80.0)
    assert found.resources.dsps == 0
    assert all(layer.taken.dsps == 0 for layer in found.layers)


def test_prints_as_data(qgraph):
    found = plan(qgraph, FOLDINGS, SMALL, 80.0).data()
    assert json.loads(json.dumps(found)) == found
    assert {"layers", "cycles_per_image", "latency_cycles", "luts", "ffs", "dsps", "brams"} <= set(found)
    rows = {"name", "cycles", "latency", "multipliers", "memory_bits", "luts"}
    assert all(rows <= set(row) for row in found["layers"])
