from __future__ import annotations

import numpy as np
import pytest

from dnn2fpga.dataset import read_dataset
from dnn2fpga.errors import Refusal
from dnn2fpga.model.description import load
from dnn2fpga.shipped import digits, model_folder

from .rows import SPECS


def test_digits():
    data = read_dataset(digits())
    assert data.x_calibrate.shape == (500, 28, 28)
    assert data.x_judge.shape == (1000, 28, 28)
    assert set(data.y_calibrate) == set(data.y_judge) == set(range(10))


@pytest.mark.parametrize(
    ("name", "parameters", "accuracy"), [("mnist_cnn", 18_718, 0.983), ("mnist_mlp", 6_634, 0.957)]
)
def test_models_are_as_good_as_their_readme_says(name, parameters, accuracy):
    graph = load(model_folder(name), SPECS)
    data = read_dataset(digits())
    assert graph.name == name
    assert sum(weight.size for node in graph.nodes for weight in node.weights.values()) == parameters
    assert np.mean(graph.run(data.x_judge[..., np.newaxis]).argmax(axis=1) == data.y_judge) == accuracy


def test_the_mlp_fits_into_the_block_ram_of_an_ice40_up5k():
    kernels = [node.weights["kernel"] for node in load(model_folder("mnist_mlp"), SPECS).nodes if node.weights]
    assert sum(8 * kernel.size for kernel in kernels) <= 60_000


def test_unknown_models_are_refused():
    with pytest.raises(Refusal, match=r"^no model 'resnet' is shipped; shipped are: mnist_cnn, mnist_mlp$"):
        model_folder("resnet")
