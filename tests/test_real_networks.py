"""Small versions of the networks of bench/real_networks.py, from Keras to the simulated hardware."""

import os

import numpy as np
import pytest

import dnn2fpga as d2f
from dnn2fpga.flow.engines import Cxxrtl

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
NEEDED = "reading Keras models needs TensorFlow: pip install 'dnn2fpga[keras]'"
pytest.importorskip("tensorflow", reason=NEEDED)
pytest.importorskip("keras", reason=NEEDED)
nets = pytest.importorskip("bench.keras_networks")

NETWORKS = {
    "keyword_spotting": {"shape": (13, 6, 1), "channels": 4, "blocks": 2},
    "sequence": {"shape": (24, 3), "channels": 4},
    "u_shaped": {"shape": (8, 8, 1), "channels": 2},
    "two_and_two": {"shape": (6, 6, 2), "values": 4, "channels": 4},
}
IMAGES = 6
SLOW = pytest.mark.slow  # half a minute to compile


@pytest.mark.skipif(Cxxrtl().missing() is not None, reason="needs Yosys and a C++ compiler")
@pytest.mark.parametrize("name", [pytest.param(name, marks=SLOW if name == "u_shaped" else ()) for name in NETWORKS])
def test_hardware_equals_the_reference(name):
    model = nets.made(getattr(nets, name), **NETWORKS[name])
    graph = d2f.from_keras(model)
    parts = nets.noise(model, IMAGES, seed=3)
    x = nets.flat(parts)
    given = model(parts if len(parts) > 1 else parts[0])
    tensors = [np.asarray(tensor) for tensor in (given if isinstance(given, list) else [given])]
    np.testing.assert_allclose(graph.run(x), nets.flat(tensors), atol=1e-4)
    qgraph = d2f.quantize(graph, nets.flat(nets.noise(model, 64, seed=2)))
    design = d2f.Design(qgraph, board="ulx3s_85f", fps=5_000)
    result = design.simulate(x, Cxxrtl())
    assert result.mismatches == 0, result.first
    assert (result.outputs == qgraph.run(x)).all()
    assert (result.cycles_per_image, result.latency_cycles) == (
        design.plan.cycles_per_image,
        design.plan.latency_cycles,
    )
