from __future__ import annotations

import numpy as np
import pytest

from dnn2fpga.dataset import read_dataset, read_samples
from dnn2fpga.errors import Refusal

IMAGES = np.arange(10 * 4, dtype=np.uint8).reshape(10, 2, 2)
REALS = np.linspace(-1, 1, 10 * 3, dtype=np.float64).reshape(10, 3)
LABELS = np.arange(10)


@pytest.fixture
def write(tmp_path):
    def write_(**arrays):
        np.savez(tmp_path / "d.npz", **arrays)
        return tmp_path / "d.npz"

    return write_


def refused(read, path, text, **settings):
    with pytest.raises(Refusal, match=text) as refusal:
        read(path, **settings)
    assert "\n" not in str(refusal.value)


def test_training_part_calibrates_and_test_part_judges(write):
    path = write(x_train=REALS, y_train=LABELS, x_test=REALS[:4] / 2, y_test=LABELS[:4, np.newaxis])
    data = read_dataset(str(path))
    assert np.array_equal(data.x_calibrate, REALS)
    assert np.array_equal(data.y_calibrate, LABELS)
    assert np.array_equal(data.x_judge, REALS[:4] / 2)
    assert np.array_equal(data.y_judge, LABELS[:4])
    assert data.note is None


@pytest.mark.parametrize("part", ["", "_train"])
def test_the_last_fifth_judges_where_there_is_no_test_part(write, part):
    data = read_dataset(write(**{f"x{part}": REALS, f"y{part}": LABELS}))
    assert np.array_equal(data.x_calibrate, REALS[:8])
    assert np.array_equal(data.y_calibrate, LABELS[:8])
    assert np.array_equal(data.x_judge, REALS[8:])
    assert np.array_equal(data.y_judge, LABELS[8:])
    assert data.note == "d.npz has no 'x_test': the last 2 of 10 samples are kept to judge on"


def test_labels_may_be_absent(write):
    data = read_dataset(write(x=REALS))
    assert (data.y_calibrate, data.y_judge) == (None, None)
    assert read_samples(write(x=REALS)).y is None


@pytest.mark.parametrize("part", ["", "_test"])
def test_samples(write, part):
    samples = read_samples(write(**{f"x{part}": REALS, f"y{part}": LABELS, "x_train": IMAGES}))
    assert np.array_equal(samples.x, REALS)
    assert np.array_equal(samples.y, LABELS)


def test_bytes_are_divided_by_255(write):
    x = read_samples(write(x=IMAGES)).x
    assert x.dtype == np.float32
    assert np.array_equal(x, IMAGES.astype(np.float32) / 255)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8, np.int64])
def test_other_numbers_are_fed_as_they_are(write, dtype):
    x = read_samples(write(x=REALS.astype(dtype))).x
    assert x.dtype == dtype
    assert np.array_equal(x, REALS.astype(dtype))


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_input_scale(write, dtype):
    path = write(x_train=IMAGES.astype(dtype), x_test=IMAGES.astype(dtype))
    assert np.array_equal(read_samples(path, input_scale=0.5).x, IMAGES / 2)
    data = read_dataset(path, input_scale=2)
    assert np.array_equal(data.x_calibrate, 2.0 * IMAGES)
    assert np.array_equal(data.x_judge, 2.0 * IMAGES)


@pytest.mark.parametrize("scale", [0, -1.0, float("nan"), float("inf")])
def test_input_scale_must_be_positive_and_finite(write, scale):
    refused(
        read_samples,
        write(x=IMAGES),
        "the input scale must be a positive finite number, not",
        input_scale=scale,
    )


def test_input_scale_is_for_integers(write):
    text = r"d\.npz: 'x' holds float64, which is fed as it is; an input scale is for integers only$"
    refused(read_samples, write(x=REALS), text, input_scale=0.5)


WRONG = {
    r"d\.npz: has no 'x' or 'x_test'; it has 'images'$": {"images": IMAGES},
    r"d\.npz: has no 'x' or 'x_test'; it has nothing$": {},
    r"d\.npz: cannot be read, since it holds Python objects": {"x": np.array([None, "a"], object)},
    r"d\.npz: 'x' holds <U1; it must hold real numbers$": {"x": np.array(["a", "b"])},
    r"d\.npz: 'x' holds complex128; it must hold real numbers$": {"x": REALS * 1j},
    r"d\.npz: 'x' is empty; at least one sample is needed$": {"x": REALS[:0]},
    r"d\.npz: 'y' holds 9 labels for 10 samples; there must be one a sample$": {"x": REALS, "y": LABELS[:9]},
    r"d\.npz: 'y' holds float64 of shape \(10,\); labels must be integers of shape \(10,\)$": {
        "x": REALS,
        "y": LABELS / 1,
    },
    r"d\.npz: 'y' holds int64 of shape \(10, 10\); labels must be integers of shape \(10,\)$": {
        "x": REALS,
        "y": np.eye(10, dtype=np.int64),
    },
    r"d\.npz: 'y_test' holds 9 labels for 10 samples": {"x_test": REALS, "y_test": LABELS[:9]},
}


@pytest.mark.parametrize("text", WRONG)
def test_wrong_arrays(write, text):
    refused(read_samples, write(**WRONG[text]), text)


def test_quantizing_needs_a_training_part(write):
    path = write(x_test=REALS, y_test=LABELS)
    refused(read_dataset, path, r"d\.npz: has no 'x' or 'x_train'; it has 'x_test', 'y_test'$")
    refused(read_dataset, write(x=REALS[:1]), r"d\.npz: 'x' holds one sample; at least two are needed")


@pytest.mark.parametrize("read", [read_dataset, read_samples])
def test_files_that_are_none(read, write, tmp_path):
    refused(read, tmp_path / "none.npz", r"/none\.npz: no such file$")
    refused(read, tmp_path, "no such file$")
    path = write(x=REALS)
    whole = path.read_bytes()
    for keep in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:keep])
        refused(read, path, r"d\.npz: is cut off, or not an \.npz file; write it with numpy\.savez$")
    np.save(tmp_path / "d.npy", REALS)
    refused(read, tmp_path / "d.npy", r"d\.npy: is cut off, or not an \.npz file")
