"""Every operator with random shapes, scales and zero points against TensorFlow Lite's reference kernels."""

import numpy as np
import pytest

import dnn2fpga as d2f

from .operators import OPERATORS, Random
from .oracle import reference

SEEDS = range(6)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", OPERATORS)
def test_gives_the_bytes_of_the_reference_kernels(name, seed, tmp_path):
    m = Random(seed)
    x, y = OPERATORS[name](m)
    content = m.bytes([x], [y])
    (tmp_path / "model.tflite").write_bytes(content)
    shape = m.tensors[x]["shape"][1:]
    q = m.rng.integers(-128, 128, (20, *shape)).astype(np.int8)
    assert (d2f.from_tflite(tmp_path / "model.tflite").run(q) == reference(content, q)).all()
