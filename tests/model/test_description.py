from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from dnn2fpga.errors import Refusal
from dnn2fpga.model import folder as folder_module
from dnn2fpga.model.batch_norm import BatchNormalization
from dnn2fpga.model.description import load, save
from dnn2fpga.model.folder import kind_of_description
from dnn2fpga.model.graph import Graph, Node
from dnn2fpga.quant.ops.conv2d import Conv2D
from dnn2fpga.quant.ops.dense import Dense
from dnn2fpga.quant.ops.flatten import Flatten
from dnn2fpga.quant.ops.max_pool2d import MaxPool2D
from dnn2fpga.quant.ops.window import Window

from .rows import SPECS


@pytest.fixture
def graph():
    rng = np.random.default_rng(0)

    def random(*shape):
        return rng.normal(size=shape).astype(np.float32)

    statistics = {"moving_mean": random(4), "moving_variance": np.abs(random(4))}
    return Graph(
        "net",
        (8, 6, 2),
        (
            Node(
                "conv",
                Conv2D(4, Window((3, 2), (1, 2), "same")),
                {"kernel": random(3, 2, 2, 4), "bias": random(4)},
            ),
            Node("norm", BatchNormalization(1e-3, scale=False, center=False), statistics),
            Node("pool", MaxPool2D(Window((2, 2), (2, 2)))),
            Node("flatten", Flatten()),
            Node("dense", Dense(3, relu=True), {"kernel": random(16, 3), "bias": random(3)}),
        ),
    )


@pytest.fixture
def saved(graph, tmp_path):
    save(graph, tmp_path / "q")
    return tmp_path / "q"


def edit(saved, change):
    path = saved / "model.json"
    model = json.loads(path.read_text())
    change(model)
    path.write_text(json.dumps(model))


def edit_arrays(saved, change):
    arrays = dict(np.load(saved / "weights.npz"))
    change(arrays)
    np.savez(saved / "weights.npz", **arrays)


def refused(saved, text):
    with pytest.raises(Refusal, match=text) as refusal:
        load(saved, SPECS)
    assert "\n" not in str(refusal.value)


def assert_equal(a, b):
    assert (a.name, a.input_shape) == (b.name, b.input_shape)
    assert [(node.name, node.spec) for node in a.nodes] == [(node.name, node.spec) for node in b.nodes]
    for mine, yours in zip(a.nodes, b.nodes, strict=True):
        assert mine.weights.keys() == yours.weights.keys()
        for name, weight in mine.weights.items():
            assert weight.dtype == yours.weights[name].dtype
            assert weight.tobytes() == yours.weights[name].tobytes()


def test_reloads_bit_for_bit(graph, saved):
    assert_equal(load(saved, SPECS), graph)
    assert_equal(load(str(saved), SPECS), graph)


@pytest.mark.parametrize("value", [5e-324, -0.0, np.finfo(np.float64).max, 0.1])
def test_odd_floats_reload_bit_for_bit(tmp_path, value):
    weights = {"kernel": np.full((2, 1), value), "bias": np.float16([0.1])}
    graph = Graph("net", (2,), (Node("dense", Dense(1), weights),))
    save(graph, tmp_path)
    assert_equal(load(tmp_path, SPECS), graph)


def test_json_is_made_for_reading(saved):
    text = (saved / "model.json").read_text()
    model = json.loads(text)
    assert list(model) == ["format", "version", "numbers", "name", "input_shape", "layers"]
    assert model["layers"][0] == {
        "name": "conv",
        "kind": "conv2d",
        "hyperparameters": {
            "filters": 4,
            "window": {
                "kernel": [3, 2],
                "strides": [1, 2],
                "padding": "same",
                "dilation": [1, 1],
                "border": [[0, 0], [0, 0]],
            },
            "relu": False,
            "groups": 1,
        },
        "weights": {"kernel": [3, 2, 2, 4], "bias": [4]},
        "inputs": ["/input"],
    }
    assert '      "kernel": [3, 2],\n' in text
    assert max(map(len, text.splitlines())) < 80


def test_the_files_are_the_same_each_time(graph, saved, tmp_path):
    save(graph, tmp_path / "again")
    for name in ("model.json", "weights.npz"):
        assert (saved / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_names_with_brackets_and_umlauts(tmp_path):
    graph = Graph('[\n1, "x" ]', (2,), (Node("größe[\n 2 ]", Flatten()),))
    save(graph, tmp_path)
    assert_equal(load(tmp_path, SPECS), graph)


def test_kind_of_description(saved):
    assert kind_of_description(saved) == "float"
    edit(saved, lambda model: model.update(numbers="integer"))
    assert kind_of_description(saved) == "integer"
    refused(saved, "/q: holds a model of integer numbers; here one of float numbers is needed$")


def test_writing_replaces_and_leaves_others_alone(graph, saved):
    (saved / "notes.txt").write_text("mine")
    small = Graph("small", (2,), (Node("flatten", Flatten()),))
    save(small, saved)
    assert_equal(load(saved, SPECS), small)
    assert sorted(path.name for path in saved.iterdir()) == ["model.json", "notes.txt", "weights.npz"]


def test_broken_writing_leaves_the_old_model(graph, saved, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder_module.np, "savez_compressed", full)
    with pytest.raises(Refusal, match=r"/q: the model cannot be written here: No space left on device$"):
        save(Graph("small", (2,), (Node("flatten", Flatten()),)), saved)
    assert sorted(path.name for path in saved.iterdir()) == ["model.json", "weights.npz"]
    assert_equal(load(saved, SPECS), graph)


def test_writing_broken_off_between_the_files_is_noticed(graph, saved, monkeypatch):
    def killed(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(folder_module.os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        save(graph, saved)
    refused(saved, "/q: has no model.json")


def test_writing_where_a_file_is(graph, tmp_path):
    (tmp_path / "q").touch()
    with pytest.raises(Refusal, match=r"/q: the model cannot be written here: File exists"):
        save(graph, tmp_path / "q")


def test_names_given_twice_are_refused(tmp_path):
    twice = (Node("a", Flatten()), Node("a", Flatten()))
    with pytest.raises(Refusal, match=r"^two layers are called 'a'; give each a name of its own$"):
        save(Graph("net", (2,), twice), tmp_path)


def test_missing_parts(saved, tmp_path):
    refused(
        tmp_path / "none",
        "/none: there is no such file or folder; a model description is a folder with model.json and weights",
    )
    (saved / "weights.npz").unlink()
    refused(saved, "/q/weights.npz: no such file$")
    (saved / "model.json").unlink()
    refused(saved, "/q: has no model.json; a model description is a folder with model.json and weights")


@pytest.mark.parametrize("text", ["", "{", '{"format": "dnn2fpga', "\x00\xff", "[" * 100_000])
def test_broken_json(saved, text):
    (saved / "model.json").write_text(text, encoding="latin-1")
    refused(saved, "/q/model.json: is not sound JSON: ")


@pytest.mark.parametrize("text", ["[]", "3", "{}", '{"format": "onnx"}'])
def test_other_json(saved, text):
    (saved / "model.json").write_text(text)
    refused(saved, '/q/model.json: is no model description; it must have "format": "dnn2fpga model"$')


CHANGES = {
    "/q/model.json: version 2 is unknown; this dnn2fpga reads version 1$": lambda m: m.update(version=2),
    "/q/model.json: numbers must be 'float' or 'integer', not None$": lambda m: m.pop("numbers"),
    "/q: layers is missing$": lambda m: m.pop("layers"),
    "/q: layers must be a list, not 3$": lambda m: m.update(layers=3),
    r"/q: layers\[1\] must be an object, not 'x'$": lambda m: m["layers"].__setitem__(1, "x"),
    r"/q: layers\[0\].weights is missing$": lambda m: m["layers"][0].pop("weights"),
    r"/q: input_shape\[0\] must be an integer, not 8.5$": lambda m: m.update(input_shape=[8.5, 6, 2]),
    "/q: colour is unknown here; known are: name, input_shape, layers$": lambda m: m.update(colour=1),
    "/q: layer 'conv': kind 'conv9d' is unknown; known are: conv2d, max_pool2d, dense, ": lambda m: m["layers"][
        0
    ].update(kind="conv9d"),
    "/q: layer 'conv': window is missing$": lambda m: m["layers"][0]["hyperparameters"].pop("window"),
    "/q: layer 'conv': window.kernel must be a list of 2, not ": lambda m: m["layers"][0]["hyperparameters"][
        "window"
    ].update(kernel=[3]),
    "/q: layer 'conv': window.margin is unknown here; known are: kernel, strides, padding, dilation, border$": (
        lambda m: m["layers"][0]["hyperparameters"]["window"].update(margin=2)
    ),
    "/q: layer 'conv': padding='same' leaves no room for a border of ": lambda m: m["layers"][0]["hyperparameters"][
        "window"
    ].update(border=[[0, 1], [0, 0]]),
    "/q: layer 'conv': padding='full' is not supported": lambda m: m["layers"][0]["hyperparameters"]["window"].update(
        padding="full"
    ),
    "/q: layer 'conv': relu must be true or false, not 0$": lambda m: m["layers"][0]["hyperparameters"].update(relu=0),
    "/q: layer 'flatten': size is unknown here; known are: none$": lambda m: m["layers"][3]["hyperparameters"].update(
        size=2
    ),
    r"/q: weights.npz: 'conv/bias' has shape \(4,\); model.json says \(5,\)$": lambda m: m["layers"][0][
        "weights"
    ].update(bias=[5]),
    "/q: weights.npz: the array 'conv/gamma' is missing": lambda m: m["layers"][0]["weights"].update(gamma=[4]),
    "/q: weights.npz: 'conv/bias' belongs to no layer of model.json": lambda m: m["layers"][0]["weights"].pop("bias"),
    "/q: layer 'conv': .* does not fit": lambda m: m.update(input_shape=[0, 6, 2]),
}


@pytest.mark.parametrize("text", CHANGES)
def test_wrong_json(saved, text):
    edit(saved, CHANGES[text])
    refused(saved, text)


def test_wrong_arrays(saved):
    edit_arrays(saved, lambda arrays: arrays.update({"conv/bias": np.arange(4)}))
    refused(saved, "/q: weights.npz: 'conv/bias' holds int64; it must hold floating numbers$")
    edit_arrays(saved, lambda arrays: arrays.update({"conv/bias": np.array(["a", None], object)}))
    refused(saved, "/q/weights.npz: cannot be read, since it holds Python objects")


@pytest.mark.parametrize("keep", [0, 0.5, 0.99])
def test_cut_weights(saved, keep):
    path = saved / "weights.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])
    refused(saved, "/q/weights.npz: is cut off, or not an .npz file; write it with numpy.savez$")


def test_damaged_weights(saved):
    path = saved / "weights.npz"
    damaged = bytearray(path.read_bytes())
    damaged[200:300] = bytes(100)
    path.write_bytes(damaged)
    refused(saved, "/q/weights.npz: cannot be read, since it is damaged; write plain arrays with numpy.savez$")


def test_hyperparameters_with_a_default_may_be_absent(graph, saved):
    edit(saved, lambda model: model["layers"][0]["hyperparameters"].pop("relu"))
    assert_equal(load(saved, SPECS), graph)


@dataclass(frozen=True)
class Amplify:
    """A kind that the package does not know."""

    kind: ClassVar[str] = "amplify"
    gain: float
    taps: tuple[int, ...]
    label: str

    def output_shape(self, shape):
        return shape


def test_hyperparameters_of_each_type(tmp_path):
    graph = Graph("net", (2,), (Node("a", Amplify(np.float64(0.1), (1, 2, 3), "loud")),))
    save(graph, tmp_path)
    (node,) = load(tmp_path, {"amplify": Amplify}).nodes
    assert node.spec == Amplify(0.1, (1, 2, 3), "loud")
