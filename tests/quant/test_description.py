from __future__ import annotations

import json

import numpy as np
import pytest

from dnn2fpga.errors import Refusal
from dnn2fpga.model.folder import kind_of_description
from dnn2fpga.model.graph import Graph, Node
from dnn2fpga.quant.description import load, save
from dnn2fpga.quant.fixed import Format
from dnn2fpga.quant.graph import QGraph, QNode
from dnn2fpga.quant.ops.conv2d import Conv2D
from dnn2fpga.quant.ops.dense import Dense
from dnn2fpga.quant.ops.flatten import Flatten
from dnn2fpga.quant.ops.max_pool2d import MaxPool2D
from dnn2fpga.quant.ops.relu import ReLU
from dnn2fpga.quant.ops.softmax import Softmax
from dnn2fpga.quant.ops.table import Tanh
from dnn2fpga.quant.ops.window import Window
from dnn2fpga.quant.quantize import quantize_graph

from .specs import SPECS

SAMPLES = np.random.default_rng(0).normal(size=(20, 6, 6, 2))


@pytest.fixture(scope="module")
def qgraph():
    rng = np.random.default_rng(1)

    def random(*shape):
        return rng.normal(size=shape).astype(np.float32)

    nodes = (
        Node(
            "conv",
            Conv2D(4, Window((3, 3), padding="same")),
            {"kernel": random(3, 3, 2, 4), "bias": random(4)},
        ),
        Node("relu", ReLU()),
        Node("pool", MaxPool2D(Window((2, 2), (2, 2)))),
        Node("flatten", Flatten()),
        Node("hidden", Dense(5), {"kernel": random(36, 5), "bias": random(5)}),
        Node("tanh", Tanh()),
        Node("dense", Dense(3), {"kernel": random(5, 3), "bias": 1000 * random(3)}),
        Node("softmax", Softmax()),
    )
    return quantize_graph(Graph("net", (6, 6, 2), nodes), SAMPLES)


@pytest.fixture
def saved(qgraph, tmp_path):
    save(qgraph, tmp_path / "q")
    return tmp_path / "q"


def edit(saved, change):
    path = saved / "model.json"
    model = json.loads(path.read_text())
    change(model)
    path.write_text(json.dumps(model))


def refused(saved, text):
    with pytest.raises(Refusal, match=text) as refusal:
        load(saved, SPECS)
    assert "\n" not in str(refusal.value)


def test_reloads_exactly(qgraph, saved):
    again = load(saved, SPECS)
    assert again.name == qgraph.name
    for mine, yours in zip(again.nodes, qgraph.nodes, strict=True):
        for field in ("name", "spec", "input_shape", "output_shape", "i", "o", "scalars"):
            assert getattr(mine, field) == getattr(yours, field)
        assert mine.arrays.keys() == yours.arrays.keys()
        for name, array in mine.arrays.items():
            assert array.dtype == np.int64
            assert np.array_equal(array, yours.arrays[name])
    assert np.array_equal(again.run(SAMPLES), qgraph.run(SAMPLES))


def test_json_is_made_for_reading(qgraph, saved):
    layer = json.loads((saved / "model.json").read_text())["layers"][0]
    assert list(layer) == [
        "name", "kind", "hyperparameters", "input_shape", "output_shape", "i", "o", "scalars", "arrays",
        "inputs", "also", "rounding",
    ]  # fmt: skip
    assert layer["i"] == {"bits": 8, "signed": True, "scale": qgraph.i.scale, "zero_point": 0.0}
    assert layer["scalars"] == {"shift": qgraph.nodes[0].scalars["shift"], "weight_bits": 8}
    assert layer["arrays"] == {"kernel": [18, 4], "offset": [4], "multiplier": [4]}
    assert kind_of_description(saved) == "integer"


def test_arrays_take_the_smallest_type(saved):
    arrays = np.load(saved / "weights.npz")
    assert arrays["conv/kernel"].dtype == np.int8
    assert arrays["conv/multiplier"].dtype == np.int32
    assert arrays["tanh/table"].dtype == np.int8


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([], np.int8),
        ([-128, 127], np.int8),
        ([128], np.int16),
        ([-129], np.int16),
        ([-(2**31), 2**31 - 1], np.int32),
        ([2**31], np.int64),
        ([-(2**63), 2**63 - 1], np.int64),
    ],
)
def test_extreme_integers_reload_exactly(tmp_path, values, dtype):
    i = Format(8, True, 0.1)
    array = np.array(values, np.int64)
    node = QNode("a", Flatten(), (2,), (2,), i, i, {"table": array}, {"shift": np.int64(2**40)})
    save(QGraph("net", (node,)), tmp_path)
    assert np.load(tmp_path / "weights.npz")["a/table"].dtype == dtype
    (again,) = load(tmp_path, SPECS).nodes
    assert np.array_equal(again.arrays["table"], array)
    assert again.scalars == {"shift": 2**40}


CHANGES = {
    "/q: holds a model of float numbers; here one of integer numbers is needed": lambda m: m.update(numbers="float"),
    "/q: the model has no layers; at least one is needed": lambda m: m.update(layers=[]),
    r"/q: layers\[0\].i.scale is missing": lambda m: m["layers"][0]["i"].pop("scale"),
    r"/q: layers\[0\].o.bits must be an integer, not 8.5": lambda m: m["layers"][0]["o"].update(bits=8.5),
    "/q: a scale must be a positive finite number, not nan": lambda m: m["layers"][0]["i"].update(scale=float("nan")),
    r"/q: layers\[0\].scalars.shift must be an integer, not '9'": lambda m: m["layers"][0]["scalars"].update(shift="9"),
    "/q: layer 'conv': kind 'batch_normalization' is unknown": lambda m: m["layers"][0].update(
        kind="batch_normalization"
    ),
    "/q: layer 'pool': its input is not the output of 'conv'": lambda m: m["layers"][1].update(input_shape=[9, 9, 9]),
    "/q: layer 'flatten': its input is not the output of 'pool'": lambda m: m["layers"][2]["i"].update(bits=4),
    r"/q: weights.npz: 'conv/kernel' has shape \(18, 4\); model.json says \(3, 4\)": lambda m: m["layers"][0][
        "arrays"
    ].update(kernel=[3, 4]),
}


@pytest.mark.parametrize("text", CHANGES)
def test_wrong_json(saved, text):
    edit(saved, CHANGES[text])
    if "no layers" in text:
        np.savez(saved / "weights.npz")
    refused(saved, text)


def test_arrays_of_floats_are_refused(saved):
    arrays = {name: array.astype(np.float32) for name, array in np.load(saved / "weights.npz").items()}
    np.savez(saved / "weights.npz", **arrays)
    refused(saved, "/q: weights.npz: 'conv/kernel' holds float32; it must hold integer numbers$")
