"""A network that uses everything at once: `same` padding, strides, tanh, sigmoid, a non-square image, 5-bit weights."""

import numpy as np
import pytest

from dnn2fpga import Design
from dnn2fpga.flow.engines import ENGINES, Stalls

from .networks import Builder

NETWORK = (
    Builder((13, 8, 2), seed=5)
    .conv(6, (3, 2), (2, 1), "same").tanh()
    .conv(4, (3, 3), (1, 2), "same").relu()
    .pool((2, 3), (2, 2), "same").sigmoid()
    .conv(5, (2, 2)).sigmoid()
    .flatten().dense(9).tanh().dense(4).softmax()
)  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
def test_hardware_equals_reference_with_and_without_stalls(engine):
    if missing := ENGINES[engine].missing():
        pytest.skip(missing)
    qgraph = NETWORK.quantized(weight_bits=5, activation_bits=7)
    x = NETWORK.samples(6 if engine == "cxxrtl" else 3)
    design = Design(qgraph, fps=20_000)
    for stalls in (None, Stalls(0.5, 0.5, 3)):
        result = design.simulate(x, ENGINES[engine], stalls=stalls)
        assert result.mismatches == 0, result.first
        assert (result.outputs == qgraph.run(x)).all()
        assert len(np.unique(result.outputs)) > 4  # not all the same for want of resolution
