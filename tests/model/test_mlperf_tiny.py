"""MLPerf Tiny's reference networks, as their authors publish them, from the folder that DNN2FPGA_MODELS names."""

import os
from pathlib import Path

import numpy as np
import pytest

import dnn2fpga as d2f

FOLDER = os.environ.get("DNN2FPGA_MODELS")
pytestmark = pytest.mark.skipif(not FOLDER, reason="DNN2FPGA_MODELS names no folder of models")


def model(name):
    pytest.importorskip("h5py")
    return Path(FOLDER) / name


def test_autoencoder_is_read_quantized_and_planned():
    graph = d2f.from_keras(model("autoencoder.h5"))
    rng = np.random.default_rng(0)
    x = rng.normal(size=(32, *graph.input_shape))
    qgraph = d2f.quantize(graph, x)
    real = qgraph.outputs_to_real(qgraph.run(x))
    expected = graph.run(x)
    noise = np.square(real - expected).mean() / np.square(expected).mean()
    assert noise < 0.02  # accuracy, not equality: this compares integers with floats
    plan = d2f.Design(qgraph, board="ulx3s_85f", fps=1_000).plan
    assert plan.images_per_second >= 1_000


def test_resnet_is_read_with_its_branches():
    graph = d2f.from_keras(model("resnet8.h5"))
    assert (graph.input_shape, graph.output_shape) == ((32, 32, 3), (10,))
    assert sum(node.spec.kind == "add" for node in graph.nodes) == 3
