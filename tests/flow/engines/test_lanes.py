import numpy as np
import pytest
from amaranth import signed, unsigned
from amaranth.lib import data

from dnn2fpga.errors import Refusal
from dnn2fpga.flow.engines.lanes import Lanes
from dnn2fpga.hw.stream import lanes


def of(shape, n):
    return Lanes.of(lanes(shape, n).create())


@pytest.mark.parametrize("n", [1, 2, 3, 5, 11])
@pytest.mark.parametrize(
    "shape",
    [signed(1), unsigned(1), signed(8), unsigned(13), signed(31), signed(33), unsigned(63), signed(64)],
)
def test_words_are_what_amaranth_makes_of_the_values(shape, n):
    low, high = (-(1 << shape.width - 1), (1 << shape.width - 1) - 1) if shape.signed else (0, (1 << shape.width) - 1)
    values = np.random.default_rng(1).integers(low, high, (20, n), endpoint=True)
    values[0], values[1] = low, high
    words = of(shape, n).pack(values)
    layout = data.ArrayLayout(shape, n)
    expected = [layout.const([int(v) for v in row]).as_value().value for row in values]
    assert [int.from_bytes(word.tobytes(), "little") for word in words] == expected
    assert words.shape == (20, -(-layout.size // 32))
    assert np.array_equal(of(shape, n).unpack(words), values)


@pytest.mark.parametrize(
    ("shape", "value", "within"),
    [
        (signed(8), 128, "-128 to 127"),
        (signed(8), -129, "-128 to 127"),
        (unsigned(4), 16, "0 to 15"),
        (unsigned(4), -1, "0 to 15"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(shape, value, within):
    with pytest.raises(Refusal, match=f"^word 1, lane 2: {value} is not within {within}$"):
        of(shape, 3).pack(np.array([[0, 0, 0], [0, 0, value]]))


@pytest.mark.parametrize("words", [np.zeros((4, 3)), np.zeros((4, 2), int), np.zeros(3, int)])
def test_words_of_another_form_are_refused(words):
    with pytest.raises(Refusal, match=r"words must be integers \(words, 3\), not "):
        of(signed(8), 3).pack(words)


@pytest.mark.parametrize("shape", [signed(65), unsigned(64), unsigned(0)])
def test_a_lane_that_no_int64_holds_is_refused(shape):
    with pytest.raises(Refusal, match="must have 1 bit or more and fit an int64"):
        of(shape, 2)
