"""What cannot be done is refused before any work, by operator, index and tensor."""

import pytest

import dnn2fpga as d2f

from .maker import Maker
from .test_operators import OPERATORS, Random


def refused(tmp_path, content, match):
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    with pytest.raises(d2f.Refusal, match=match):
        d2f.from_tflite(path)


def test_float_model(tmp_path):
    m = Maker()
    x = m.tensor((1, 4), type_="FLOAT32")
    y = m.operator("RELU", [x], m.tensor((1, 4), type_="FLOAT32"))
    refused(tmp_path, m.bytes([x], [y]), r"operator 0 RELU \(tensor 'tensor_1'\): not full-int8")


def test_int16_activations(tmp_path):
    m = Maker()
    x = m.tensor((1, 4), 0.1, type_="INT16")
    y = m.operator("RELU", [x], m.tensor((1, 4), 0.1, type_="INT16"))
    refused(tmp_path, m.bytes([x], [y]), "INT16")


def test_unknown_operator(tmp_path):
    m = Maker()
    x = m.tensor((1, 4), 0.1)
    y = m.operator("FLOOR", [x], m.tensor((1, 4), 0.1))
    refused(tmp_path, m.bytes([x], [y]), r"operator 0 FLOOR \(tensor 'tensor_1'\): is not supported")


def test_integers_at_the_end_are_no_sizes(tmp_path):
    m = Maker()
    x = m.tensor((1, 4), 0.1)
    y = m.operator("RELU", [x], m.tensor((1, 4), 0.1))
    y = m.operator("ARG_MAX", [y, m.tensor((1,), type_="INT32", data=[1])], m.tensor((1,), type_="INT32"))
    refused(tmp_path, m.bytes([x], [y]), r"operator 1 ARG_MAX \(tensor 'tensor_3'\): is not supported")


def test_free_sizes(tmp_path):
    m = Maker()
    x = m.tensor((1, 4, 4), 0.1, signature=[-1, -1, 4])
    y = m.operator("RELU", [x], m.tensor((1, 4, 4), 0.1))
    refused(tmp_path, m.bytes([x], [y]), "only the batch may be free")


@pytest.mark.parametrize("kept", [0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_cut_file(tmp_path, kept):
    m = Random(0)
    x, y = OPERATORS["conv"](m)
    content = m.bytes([x], [y])
    refused(tmp_path, content[: int(len(content) * kept)], "cut short|is no .tflite|not")
