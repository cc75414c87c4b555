"""MLPerf Tiny's full-int8 files against TensorFlow Lite's reference kernels, from the folder DNN2FPGA_MODELS names."""

import os
from pathlib import Path

import numpy as np
import pytest

import dnn2fpga as d2f

from .oracle import reference

FOLDER = os.environ.get("DNN2FPGA_MODELS")
pytestmark = pytest.mark.skipif(not FOLDER, reason="DNN2FPGA_MODELS names no folder of models")
NAMES = ["autoencoder", "resnet8"]


def compare(name, x):
    path = Path(FOLDER) / f"{name}_int8.tflite"
    found = d2f.from_tflite(path).run(x)
    assert found.dtype == np.int8
    assert (found != reference(path.read_bytes(), x)).sum() == 0


def given(name):
    return np.load(Path(FOLDER) / f"{name}_inputs.npz")["x"]


@pytest.mark.parametrize("name", NAMES)
def test_given_inputs_give_the_bytes_of_the_file(name):
    compare(name, given(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_random_inputs_give_the_bytes_of_the_file(name):
    shape = (1000, *given(name).shape[1:])
    compare(name, np.random.default_rng(0).integers(-128, 128, shape).astype(np.int8))
