"""Integer models that are measured beside other generators, with the weights and formats that those were given."""

import numpy as np

from dnn2fpga.quant.fixed import Format
from dnn2fpga.quant.graph import QGraph, QNode
from dnn2fpga.quant.ops.dense import Dense


def weights(rng: np.random.Generator, shape: tuple[int, ...], bits: int) -> np.ndarray:
    """Gaussian weights, cut at three standard deviations: dense, and unkind to adder graphs."""
    return np.round(np.clip(rng.normal(size=shape), -3, 3) / 3 * (2 ** (bits - 1) - 1)).astype(np.int64)


def jet_mlp(bits: int) -> QGraph:
    """The jet-tagging MLP 16-64-32-32-5 (Duarte et al., 2018) with weights of `bits` bits, inputs of 8.

    Behind each hidden layer a ReLU to 7 bits, unsigned, by a shift that makes most sums fit, rounding half up; at the
    end the bare sums.
    """
    rng = np.random.default_rng(0)
    nodes, fmt = [], Format(8, True, 1.0)
    for at, (k, units) in enumerate(((16, 64), (64, 32), (32, 32), (32, 5))):
        kernel = weights(rng, (k, units), bits)
        last = at == 3
        shift = 0 if last else int(np.ceil(np.log2(2 ** (bits - 1) * np.sqrt(k) / 3)))
        reach = int(np.abs(kernel).sum(0).max()) << 8
        given = Format(reach.bit_length(), True, 1.0) if last else Format(7, False, 1.0)
        arrays = {"kernel": kernel, "offset": np.zeros(units, np.int64), "multiplier": np.ones(units, np.int64)}
        scalars = {"shift": shift, "weight_bits": bits}
        nodes.append(QNode(f"dense{at}", Dense(units), (k,), (units,), fmt, given, arrays, scalars))
        fmt = given
    return QGraph(f"jet_mlp_{bits}bit", tuple(nodes))
