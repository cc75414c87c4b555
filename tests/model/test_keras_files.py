from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from dnn2fpga.model.keras import from_keras
from dnn2fpga.model.keras_weights import snake_case

from .keras_models import (
    assert_read,
    assert_same,
    batch_norm,
    fresh_names,  # noqa: F401
    keras,
    layers,
    network,
    refused,
    sequential,
)
from .rows import ROWS

h5py = pytest.importorskip("h5py", reason="comes with TensorFlow")
pytestmark = pytest.mark.filterwarnings("ignore")  # Keras warns that .h5 is old


def branched():
    """Models within models, layers shared by two of them, layers used twice, two outputs."""
    i = keras.Input((6, 5, 3))
    a = layers.Conv2D(3, 3, padding="same", name="same")(i)
    inner = keras.Model(i, [layers.Add()([batch_norm()(layers.Conv2D(3, 1)(a)), i]), a], name="inner")
    shared = sequential((6, 5, 3), layers.Conv2D(3, (1, 2), padding="same"), batch_norm(), name="shared")
    outer = sequential((6, 5, 3), shared, layers.ReLU(), layers.Conv2D(3, 1, name="same"), name="outer")
    j = keras.Input((6, 5, 3))
    x, y = inner(outer(shared(j)))
    return keras.Model(j, [inner(layers.Maximum()([x, outer(y)]) + x)[1], x])


def saved_as(model, folder, form):
    path = folder / f"net.{form.split('+')[0]}"
    if form == "json+weights.h5":
        path.write_text(model.to_json())
        model.save_weights(folder / "net.weights.h5")
    elif form == "json+h5":
        path.write_text(model.to_json())
        model.save(folder / "net.h5")
    else:
        model.save(path)
    return path


FORMS = ("keras", "h5", "hdf5", "json+weights.h5", "json+h5")


@pytest.mark.parametrize("make", [network, branched])
@pytest.mark.parametrize("form", FORMS)
def test_files(tmp_path, form, make):
    model = make()
    path = saved_as(model, tmp_path, form)
    assert_same(from_keras(path, ROWS), model)
    assert_same(from_keras(str(path), ROWS), model)


def test_live():
    assert_read(branched())


def test_twins_are_not_mistaken_for_one_shared_layer(tmp_path):
    parts = [sequential((4,), layers.Dense(4, name="same"), name=name) for name in ("a", "b")]
    model = sequential((4,), *parts)
    for form in ("keras", "h5", "json+weights.h5"):
        assert_same(from_keras(saved_as(model, tmp_path, form), ROWS), model)


def test_weights_saved_by_another_instance_of_the_model(tmp_path):
    (tmp_path / "net.json").write_text(network().to_json())
    model = network()  # its layers are called conv2d_1, …
    model.save_weights(tmp_path / "net.weights.h5")
    assert_same(from_keras(tmp_path / "net.json", ROWS), model)


def test_names_in_paths():
    for name in ("Conv2D", "DepthwiseConv2D", "Conv2DTranspose", "BatchNormalization", "PReLU", "SeparableConv1D"):
        assert snake_case(name) == keras.src.utils.naming.to_snake_case(name)


def test_lists_of_names_in_parts(tmp_path):
    """As Keras writes them where they are longer than an attribute may be."""
    model = network()
    model.save(tmp_path / "net.h5")
    with h5py.File(tmp_path / "net.h5", "r+") as file:
        group = file["model_weights"]
        names = group.attrs["layer_names"]
        del group.attrs["layer_names"]
        group.attrs["layer_names0"], group.attrs["layer_names1"] = names[:2], names[2:]
    assert_same(from_keras(tmp_path / "net.h5", ROWS), model)


def test_missing_file(tmp_path):
    refused(tmp_path / "net.keras", r"/net\.keras: no such file$")


def test_wrong_suffix(tmp_path):
    (tmp_path / "net.onnx").touch()
    refused(tmp_path / "net.onnx", r"/net\.onnx: a Keras model must be a \.keras or \.h5 file, or a \.json file with")


@pytest.mark.parametrize("keep", [0, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("form", ["keras", "h5"])
def test_cut_file(tmp_path, form, keep):
    path = saved_as(network(), tmp_path, form)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])
    refused(path, rf"/net\.{form}: is cut off, or .*; save the model again$")


def test_zip_that_is_no_model(tmp_path):
    np.savez(tmp_path / "net.npz", x=np.zeros(3))
    path = (tmp_path / "net.npz").rename(tmp_path / "net.keras")
    refused(path, r"/net\.keras: is damaged, or not a \.keras file: \"There is no item named 'config.json'")


def test_damaged_inside(tmp_path):
    path = saved_as(network(), tmp_path, "keras")
    damaged = bytearray(path.read_bytes())
    damaged[200:260] = bytes(60)
    path.write_bytes(damaged)
    refused(path, r"/net\.keras: is damaged, or not a \.keras file: Bad CRC-32")


def test_h5_that_is_no_model(tmp_path):
    (tmp_path / "text.h5").write_text("no model")
    refused(tmp_path / "text.h5", r"/text\.h5: is cut off, or its weights are no HDF5 file; save the model again$")
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["x"] = np.zeros(3)
    refused(tmp_path / "data.h5", r"/data\.h5: holds no whole model; write one with model\.save, or lay the arch")


def test_weights_alone_are_no_model(tmp_path):
    network().save_weights(tmp_path / "net.weights.h5")
    refused(tmp_path / "net.weights.h5", r"/net\.weights\.h5: holds no whole model")


def test_json_without_weights(tmp_path):
    (tmp_path / "net.json").write_text(network().to_json())
    refused(tmp_path / "net.json", r"/net\.json: holds no weights; lay them beside it, as net\.weights\.h5 or net\.h5$")
    with h5py.File(tmp_path / "net.h5", "w") as file:
        file["x"] = np.zeros(3)
    refused(tmp_path / "net.json", r"/net\.h5: it holds no weights of a Keras model")


@pytest.mark.parametrize("form", ["json+weights.h5", "json+h5"])
def test_weights_of_another_model(tmp_path, form):
    saved_as(sequential((3,), layers.Dense(2, name="other")), tmp_path, form)
    (tmp_path / "net.json").write_text(network().to_json())
    refused(tmp_path / "net.json", r"^layer 'conv2d': .*; save the architecture and the weights from one model$")


@pytest.mark.parametrize("text", ["", "{", "\xff", "[]", "3", "null", '{"class_name": "Sequential"}'])
def test_json_that_is_no_architecture(tmp_path, text):
    (tmp_path / "net.json").write_text(text, encoding="latin-1")
    network().save_weights(tmp_path / "net.weights.h5")
    refused(
        tmp_path / "net.json", r"/net\.json: its architecture is (not sound JSON|damaged): .*; save the model again$"
    )


def damage(change):
    """The architecture of a model, changed, or the error of a model that can no longer be changed."""
    record = json.loads(branched().to_json())
    change(record["config"])
    return json.dumps(record)


def layer(config, name):
    return next(layer for layer in config["layers"] if layer["name"] == name)


DAMAGES = {
    "a layer 'ghost' is spoken of, but there is none": lambda c: c.update(input_layers=[["ghost", 0, 0]]),
    "call 7 of layer 'maximum' is spoken of": lambda c: c.update(output_layers=["maximum", 7, 0]),
    "layer 'maximum' gives several tensors": lambda c: c.update(output_layers=["maximum", 0, 1]),
    "layer 'maximum' reads what it gives itself": lambda c: layer(c, "maximum").update(
        inbound_nodes=layer(c, "add_1")["inbound_nodes"]
    ),
    "model 'inner' takes 1 tensors, but is called on 2": lambda c: layer(c, "inner")["inbound_nodes"][0]["args"].extend(
        layer(c, "inner")["inbound_nodes"][0]["args"]
    ),
    "its configuration lacks 'filters'": lambda c: layer(c, "inner")["config"]["layers"][1]["config"].pop("filters"),
    "its architecture is damaged": lambda c: layer(c, "inner").pop("config"),
}


@pytest.mark.parametrize("text", DAMAGES)
def test_damaged_architectures(tmp_path, text):
    (tmp_path / "net.json").write_text(damage(DAMAGES[text]))
    branched().save_weights(tmp_path / "net.weights.h5")
    refused(tmp_path / "net.json", re.escape(text))


def test_damaged_weights(tmp_path):
    path = saved_as(network(), tmp_path, "h5")
    with h5py.File(path, "r+") as file:
        [name] = [name for name in file["model_weights/conv2d"].attrs["weight_names"] if "kernel" in name]
        del file["model_weights/conv2d"][name]
    refused(path, r"^layer 'conv2d': its weights in net\.h5 are damaged: .*; save the model again$")


def test_files_need_no_keras(tmp_path, monkeypatch):
    path = saved_as(network(), tmp_path, "keras")
    monkeypatch.setitem(sys.modules, "keras", None)
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    assert len(from_keras(path, ROWS).nodes) == 6


def test_without_h5py(tmp_path, monkeypatch):
    path = saved_as(network(), tmp_path, "keras")
    monkeypatch.setitem(sys.modules, "h5py", None)
    refused(path, re.escape("pip install 'dnn2fpga[keras]'"))


def test_reading_is_quiet(tmp_path):
    path = saved_as(network(), tmp_path, "keras")
    code = (
        "import sys; from dnn2fpga.model.keras import from_keras; from model.rows import ROWS; "
        f"from_keras({str(path)!r}, ROWS); assert 'keras' not in sys.modules"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TF_")}
    environment["PYTHONPATH"] = str(Path(__file__).parents[1])
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_code_in_files_is_not_run(tmp_path):
    path = saved_as(network(), tmp_path, "keras")
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["config.json"] = parts["config.json"].replace(b'"Dropout"', b'"Lambda"')
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    refused(path, "^layer 'dropout': Lambda is not supported; functions are not read")
