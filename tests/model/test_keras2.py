"""Files as Keras 2 wrote them, put together by hand: no Keras is needed to read them."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from dnn2fpga.errors import Refusal
from dnn2fpga.model.keras import from_keras
from dnn2fpga.quant.ops.relu import ReLU

from .rows import ROWS

h5py = pytest.importorskip("h5py", reason="reading Keras files needs h5py: pip install 'dnn2fpga[keras]'")


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def record(class_name, name, *inbound, **config):
    """A layer as Keras 2 kept it. An inbound call is a list of names, each of the first call, or of (name, call)."""
    calls = [
        [[source, 0, 0, {}] if isinstance(source, str) else [*source, 0, {}] for source in sources]
        for sources in inbound
    ]
    config = {"name": name, "trainable": True, "dtype": "float32", **config}
    return {"class_name": class_name, "config": config, "name": name, "inbound_nodes": calls}


def given(name="input_1", shape=(None, 4)):
    return record("InputLayer", name, batch_input_shape=list(shape), sparse=False, ragged=False)


def dense(name, *inbound, **config):
    old = {"class_name": "TruncatedNormal", "config": {"mean": 0.0, "stddev": 0.05, "seed": None}}
    config = {"kernel_initializer": old, "bias_regularizer": {"class_name": "L1L2", "config": {"l1": 0.0}}, **config}
    return record("Dense", name, *inbound, units=4, use_bias=True, **{"activation": "linear", **config})


def functional(layers, outputs, inputs=("input_1",), class_name="Model", name="net"):
    def first(names):
        return [[name, 0, 0] if isinstance(name, str) else [*name, 0] for name in names]

    config = {"name": name, "layers": layers, "input_layers": first(inputs), "output_layers": first(outputs)}
    return {"class_name": class_name, "config": config}


def chain(*layers, name="net"):
    bare = [{key: layer[key] for key in ("class_name", "config")} for layer in layers]
    return {"class_name": "Sequential", "config": {"name": name, "layers": bare}}


def lay(group, weights):
    """Weights in the layout of Keras 2: for each layer, those of it and of the layers in it, by name."""
    group.attrs["layer_names"] = [name.encode() for name in weights]
    group.attrs["backend"] = b"tensorflow"
    for layer, arrays in weights.items():
        inside = group.create_group(layer)
        inside.attrs["weight_names"] = [f"{name}:0".encode() for name in arrays]
        for name, array in arrays.items():
            inside[f"{name}:0"] = array


def kernel_and_bias(name, seed=0):
    return {f"{name}/kernel": random(4, 4, seed=seed), f"{name}/bias": random(4, seed=seed + 1)}


@pytest.fixture
def read(tmp_path):
    def written(model, weights, version="2.4.0", lowered=None):
        """The graph of a whole model in an .h5 file, and of its architecture beside the weights: they are the same."""
        with h5py.File(tmp_path / "whole.h5", "w") as file:
            file.attrs["model_config"] = json.dumps(model).encode()
            file.attrs["keras_version"] = version.encode()
            lay(file.create_group("model_weights"), weights)
        with h5py.File(tmp_path / "net.h5", "w") as file:
            lay(file, weights)
        (tmp_path / "net.json").write_text(json.dumps({**model, "keras_version": version}))
        graphs = [from_keras(tmp_path / name, ROWS, lowered or {}) for name in ("whole.h5", "net.json")]
        x = random(3, *graphs[0].input_shape, seed=9)
        assert np.array_equal(graphs[0].run(x), graphs[1].run(x))
        return graphs[0]

    return written


def names(graph):
    return [(node.name, node.spec.kind, node.inputs) for node in graph.nodes]


def test_a_chain_whose_first_layer_says_the_input_shape(read):
    weights = {"a": kernel_and_bias("a"), "b": {}}
    graph = read(chain(dense("a", batch_input_shape=[None, 4]), record("Activation", "b", activation="relu")), weights)
    assert (graph.name, graph.input_shape) == ("net", (4,))
    assert names(graph) == [("a", "dense", ("/input",)), ("b", "relu", ("a",))]
    assert np.array_equal(graph.nodes[0].weights["kernel"], weights["a"]["a/kernel"])


def test_a_chain_of_the_first_versions(read):
    model = {"class_name": "Sequential", "config": chain(dense("a", batch_input_shape=[None, 4]))["config"]["layers"]}
    assert read(model, {"a": kernel_and_bias("a")}, version="2.1.6").input_shape == (4,)


def test_a_branch_with_batch_normalization_of_old_names(read):
    statistics = ("gamma", "beta", "moving_mean", "moving_variance")
    old = {"axis": [1], "epsilon": 1e-3, "momentum": 0.99, "center": True, "scale": True}
    model = functional(
        [
            given(),
            dense("block/a", ["input_1"]),
            record("BatchNormalizationV1", "block/norm", ["block/a"], **old),
            record("Add", "sum", ["block/norm", "input_1"]),
        ],
        ["sum"],
    )
    norm = {f"block/norm/{name}": np.abs(random(4, seed=seed)) for seed, name in enumerate(statistics)}
    graph = read(model, {"input_1": {}, "block/a": kernel_and_bias("block/a"), "block/norm": norm, "sum": {}})
    assert names(graph) == [
        ("block_a", "dense", ("/input",)),
        ("block_norm", "batch_normalization", ("block_a",)),
        ("sum", "add", ("block_norm", "/input")),
    ]
    assert graph.nodes[1].weights.keys() == set(statistics)


def test_models_within_models_count_their_calls_from_1(read):
    """Unless they had no input shape when they were called."""
    made = [given("inner_input"), dense("x", ["inner_input"]), record("ReLU", "r", ["x"])]
    inner = functional(made, ["r", "x"], ["inner_input"], name="inner")
    late = {**chain(dense("y"), name="late")}
    model = functional(
        [
            given(),
            {**inner, "name": "inner", "inbound_nodes": [[["input_1", 0, 0, {}]], [["late", 0, 0, {}]]]},
            {**late, "name": "late", "inbound_nodes": [[["inner", 1, 0, {}]]]},
            record("Subtract", "last", [("inner", 2), ("late", 0)]),
        ],
        ["last", ("inner", 2)],
    )
    weights = {"inner": kernel_and_bias("x"), "late": kernel_and_bias("late/y", 5), "last": {}}
    assert names(read(model, weights)) == [
        ("x", "dense", ("/input",)),
        ("r", "relu", ("x",)),
        ("y", "dense", ("r",)),
        ("x_1", "dense", ("y",)),
        ("r_1", "relu", ("x_1",)),
        ("last", "subtract", ("r_1", "y")),
        ("outputs", "pack", ("last", "r_1")),
    ]


def test_networks_deeper_than_pythons_stack(read):
    """Keras itself can make none such."""
    deep = [record("ReLU", f"r{index}", [f"r{index - 1}"]) for index in range(1, 3000)]
    model = functional([given(), *reversed(deep), record("ReLU", "r0", ["input_1"])], ["r2999"])
    assert len(read(model, {"r0": {}}).nodes) == 3000


OPERATORS = {
    "__operators__.add": "add",
    "math.subtract": "subtract",
    "math.multiply": "multiply",
    "math.maximum": "maximum",
}


def with_operator(function, *arguments):
    operator = {**record("TFOpLambda", "tf.op", function=function), "inbound_nodes": [[*arguments]]}
    return functional([given(), record("ReLU", "r", ["input_1"]), operator], ["tf.op"])


@pytest.mark.parametrize("function", OPERATORS)
def test_operators_of_two_tensors(read, function):
    graph = read(with_operator(function, "r", 0, 0, {"y": ["input_1", 0, 0], "name": None}), {"r": {}, "tf.op": {}})
    assert names(graph)[1] == ("tf.op", OPERATORS[function], ("r", "/input"))


@pytest.mark.parametrize(
    ("function", "arguments", "text"),
    [
        ("__operators__.add", ["r", 0, 0, {"y": 1.0, "name": None}], "Add of a tensor and a constant is not"),
        ("math.subtract", ["_CONSTANT_VALUE", -1, 1.0, {"y": ["r", 0, 0]}], "Subtract of a tensor and a constant"),
        ("nn.relu", ["r", 0, 0, {"name": None}], "the function tf.nn.relu is not supported; of functions on tensors"),
    ],
)
def test_other_operators_are_refused(read, function, arguments, text):
    with pytest.raises(Refusal, match=f"^layer 'tf.op': {text}"):
        read(with_operator(function, *arguments), {"r": {}, "tf.op": {}})


def test_depthwise_convolutions_with_groups_and_other_settings_of_old_names(read):
    """Keras 3 takes none of them."""
    seen = []

    def lowered(config, weights):
        seen.append((config, weights))
        return [("", ReLU(), {})]

    model = chain(
        given(shape=(None, 5, 5, 2)),
        record("DepthwiseConv2D", "d", kernel_size=[3, 3], groups=1, depth_multiplier=1, activation="swish"),
        record("LeakyReLU", "l", alpha={"class_name": "__numpy__", "type": "ndarray", "value": 0.25}),
    )
    weights = {"d": {"d/depthwise_kernel": random(3, 3, 2, 1), "d/bias": random(2)}, "l": {}}
    rows = {"DepthwiseConv2D": lowered, "LeakyReLU": lowered}
    with pytest.raises(Refusal, match=r"^layer 'd': an activation 'silu' is not supported"):
        read(model, weights, lowered=rows)
    model["config"]["layers"][1]["config"]["activation"] = "linear"
    seen.clear()
    read(model, weights, lowered=rows)
    assert [array.shape for array in seen[0][1]] == [(3, 3, 2, 1), (2,)]
    assert seen[1][0]["negative_slope"] == 0.25


REFUSED = {
    "layer 'a': hard_sigmoid of Keras 2 is 0.2x + 0.5": [given(), dense("a", activation="hard_sigmoid")],
    "layer 'b': hard_sigmoid of Keras 2 is": [given(), record("Activation", "b", activation="hard_sigmoid")],
    "layer 'c': ThresholdedReLU is not supported; use ReLU(threshold=theta)": [
        given(),
        record("ThresholdedReLU", "c", theta=1.0),
    ],
    "layer 'c': CuDNNLSTM is not supported; layers with a state": [given(), record("CuDNNLSTM", "c")],
    "layer 'c': Mine is not supported; supported are: Conv2D,": [given(), record("Mine", "c")],
    "layer 'c': LocallyConnected2D is not supported; use Conv2D": [given(), record("LocallyConnected2D", "c")],
    "layer 'c': dtype='mixed_float16' is not supported": [
        given(),
        record("ReLU", "c", dtype={"class_name": "Policy", "config": {"name": "mixed_float16"}}),
    ],
    "layer 'input_1': ragged=True is not supported": [
        record("InputLayer", "input_1", batch_input_shape=[None, 4], ragged=True),
        record("ReLU", "c"),
    ],
    "layer 'a': its weights (none) are not those of a Dense": [given(), dense("a")],
    "model 'net' has no input shape yet": [dense("a")],
}


@pytest.mark.parametrize("text", REFUSED)
def test_refusals(read, text):
    with pytest.raises(Refusal, match="^" + re.escape(text)):
        read(chain(*REFUSED[text]), {"a": {}})


def test_models_of_keras_1_and_of_classes_of_ones_own_are_refused(read):
    with pytest.raises(Refusal, match=r"was written by Keras 1\.2\.0; load and save it with Keras 2"):
        read(chain(given(), dense("a")), {"a": kernel_and_bias("a")}, version="1.2.0")
    with pytest.raises(Refusal, match=r"^model 'mine' is a Mine; only Sequential and functional ones are read"):
        read({"class_name": "Mine", "config": {"name": "mine"}}, {})


def test_kernels_of_other_frameworks_are_refused(read, tmp_path):
    read(chain(given(), dense("a")), {"a": kernel_and_bias("a")})
    with h5py.File(tmp_path / "whole.h5", "r+") as file:
        file["model_weights"].attrs["backend"] = b"theano"
    with pytest.raises(Refusal, match=r"/whole\.h5: its kernels are laid out for another framework"):
        from_keras(tmp_path / "whole.h5", ROWS)
