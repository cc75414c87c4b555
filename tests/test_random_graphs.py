"""Random graphs with branches: the hardware gives the reference's integers, in the plan's cycles, and never stops."""

from __future__ import annotations

import numpy as np
import pytest

from dnn2fpga.errors import Refusal
from dnn2fpga.flow.engines import Pysim, Stalls
from dnn2fpga.flow.simulate import simulate
from dnn2fpga.hw.schedule import IMAGES
from dnn2fpga.kinds import KINDS

from .random_graphs import Grower
from .test_properties import planned

TOO_COARSE = ("one step of the sum is worth", "classes do not fit into", "signs cannot be multiplied")
"""What random weights of few bits may be refused for."""

NOT_HERE = {"flatten", "reshape", "lookup", "float_conv2d", "float_dense", "to_float", "to_integer"}
"""Kinds without hardware; of `.tflite` files, whose tests are apart; in floating point, which tests/test_properties.py
has."""


def checked(seed: int) -> bool:
    """Whether there is a graph of this seed; what it gives is checked, with and without pauses."""
    grower = Grower(seed)
    try:
        qgraph = grower.quantized()
    except Refusal as refusal:
        if not any(text in str(refusal) for text in TOO_COARSE):
            raise
        return False
    x, rng = grower.net.samples(IMAGES), np.random.default_rng(seed)
    chosen = planned(qgraph, float(rng.random()))
    flowing = simulate(chosen, qgraph, x, Pysim())
    assert flowing.mismatches == 0, f"seed {seed}: {flowing.first}"
    measured = (flowing.cycles_per_image, flowing.latency_cycles)
    assert measured == (chosen.cycles_per_image, chosen.latency_cycles), f"seed {seed}"
    stalled = simulate(chosen, qgraph, x, Pysim(), stalls=Stalls(0.5, 0.5, seed + 1))
    assert stalled.mismatches == 0, f"seed {seed}: {stalled.first}"
    return True


def check(first: int, count: int) -> None:
    """`count` graphs, from those of seed `first` on."""
    seed = first
    while count:
        count -= checked(seed)
        seed += 1


# Some parts, so that several processes share the work.
@pytest.mark.parametrize("part", range(4))
def test_random_graphs(part):
    check(part * 10_000, 4)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(50))
def test_a_thousand_random_graphs(part):
    check(1_000_000 + part * 10_000, 20)


def test_every_kind_grows():
    kinds = {node.spec.kind for seed in range(120) for node in Grower(seed).net.nodes}
    expected = {kind.name for kind in KINDS} - NOT_HERE
    # What a graph in integers has where the float one has another.
    assert expected - kinds == {"row_softmax"}
