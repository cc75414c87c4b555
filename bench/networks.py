"""Integer models that are measured beside other generators, with the weights and formats that those were given."""

from __future__ import annotations

import numpy as np
from random_weights import shift, weights

import dnn2fpga as d2f
from dnn2fpga import shipped
from dnn2fpga.dataset import read_dataset
from dnn2fpga.model.graph import Graph
from dnn2fpga.quant.fixed import Format
from dnn2fpga.quant.graph import QGraph, QNode
from dnn2fpga.quant.ops.conv2d import Conv2D
from dnn2fpga.quant.ops.dense import Dense
from dnn2fpga.quant.ops.flatten import Flatten
from dnn2fpga.quant.ops.max_pool2d import MaxPool2D
from dnn2fpga.quant.ops.window import Window

INPUT = Format(8, True, 1.0)


def seed_cnn() -> QGraph:
    """The CNN that the package ships, trained on MNIST, in 8 bits."""
    graph = d2f.load(shipped.model_folder("mnist_cnn"))
    assert isinstance(graph, Graph)
    return d2f.quantize(graph, read_dataset(shipped.digits()).x_calibrate)


def jet_mlp(bits: int) -> QGraph:
    """The jet-tagging MLP 16-64-32-32-5 (Duarte et al., 2018) with random weights of `bits` bits, inputs of 8.

    Behind each hidden layer a ReLU to 7 bits, unsigned, by a shift that makes most sums fit, rounding half up; at the
    end the bare sums.
    """
    rng = np.random.default_rng(0)
    nodes, fmt = [], INPUT
    for at, (k, units) in enumerate(((16, 64), (64, 32), (32, 32), (32, 5))):
        nodes.append(_sums(f"dense{at}", Dense(units), (k,), fmt, weights(rng, (k, units), bits), bits, last=at == 3))
        fmt = nodes[-1].o
    return QGraph(f"jet_mlp_{bits}bit", tuple(nodes))


def tiny_cnn(bits: int) -> QGraph:
    """8×8×1 → convolution 3×3, 4 filters, ReLU → max-pooling → Dense 10; numbers as in the jet MLP."""
    rng = np.random.default_rng(0)
    conv = _sums("conv", Conv2D(4, Window((3, 3))), (8, 8, 1), INPUT, weights(rng, (9, 4), bits), bits)
    pool = QNode("pool", MaxPool2D(Window((2, 2), (2, 2))), conv.output_shape, (3, 3, 4), conv.o, conv.o)
    flat = QNode("flatten", Flatten(), (3, 3, 4), (36,), conv.o, conv.o)
    dense = _sums("dense", Dense(10), (36,), conv.o, weights(rng, (36, 10), bits), bits, last=True)
    return QGraph(f"tiny_cnn_{bits}bit", (conv, pool, flat, dense))


def _sums(
    name: str,
    spec: Conv2D | Dense,
    shape: tuple[int, ...],
    i: Format,
    kernel: np.ndarray,
    bits: int,
    last: bool = False,
) -> QNode:
    """A layer of sums of products: shifted, rounded and cut to 7 bits, or as they are where it is the last."""
    terms, filters = kernel.shape
    reach = int(np.abs(kernel).sum(0).max()) << 8
    o = Format(reach.bit_length(), True, 1.0) if last else Format(7, False, 1.0)
    arrays = {"kernel": kernel, "offset": np.zeros(filters, np.int64), "multiplier": np.ones(filters, np.int64)}
    scalars = {"shift": 0 if last else shift(bits, terms), "weight_bits": bits}
    return QNode(name, spec, shape, spec.output_shape(shape), i, o, arrays, scalars)
