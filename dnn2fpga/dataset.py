"""Data files: `.npz` with `x` and `y`, or with Keras's own `x_train`, `y_train`, `x_test`, `y_test`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import Refusal
from .model.npz import read_npz

KEPT = 5
"""Of a file without a test part, the last of this many equal parts is kept to judge on."""


@dataclass(frozen=True)
class Samples:
    """Inputs `(n, …)`, scaled where a scale applied, and their labels `(n,)`, if known."""

    x: np.ndarray
    y: np.ndarray | None


@dataclass(frozen=True)
class Dataset:
    """Samples to calibrate and train on, others to judge on; `note` says if the file has no such parts."""

    x_calibrate: np.ndarray
    y_calibrate: np.ndarray | None
    x_judge: np.ndarray
    y_judge: np.ndarray | None
    note: str | None = None


def read_dataset(path: str | Path, input_scale: float | None = None) -> Dataset:
    """Data to quantize with: `x_train` and `x_test`, else `x` or `x_train` alone, its last fifth to judge on.

    Integer inputs are multiplied by `input_scale`; without one, uint8 inputs are divided by 255, and all
    others are taken as they are. Raises `Refusal` on a file or an array that cannot be used.
    """
    path = Path(path)
    arrays = read_npz(path)
    if "x_train" in arrays and "x_test" in arrays:
        train, test = (_samples(path, arrays, part, input_scale) for part in ("_train", "_test"))
        return Dataset(train.x, train.y, test.x, test.y)
    part = _first_part(path, arrays, ("", "_train"))
    all_ = _samples(path, arrays, part, input_scale)
    if len(all_.x) < 2:
        raise Refusal(f"{path}: 'x{part}' holds one sample; at least two are needed, one of them to judge on")
    kept = -(-len(all_.x) // KEPT)
    note = f"{path.name} has no 'x_test': the last {kept} of {len(all_.x)} samples are kept to judge on"
    y_calibrate, y_judge = (None, None) if all_.y is None else (all_.y[:-kept], all_.y[-kept:])
    return Dataset(all_.x[:-kept], y_calibrate, all_.x[-kept:], y_judge, note)


def read_samples(path: str | Path, input_scale: float | None = None) -> Samples:
    """Data to run a model on: `x`, else `x_test`. Inputs are scaled, and refused, as in `read_dataset`."""
    path = Path(path)
    arrays = read_npz(path)
    return _samples(path, arrays, _first_part(path, arrays, ("", "_test")), input_scale)


def _first_part(path: Path, arrays: dict[str, np.ndarray], parts: tuple[str, ...]) -> str:
    for part in parts:
        if f"x{part}" in arrays:
            return part
    wanted = " or ".join(f"'x{part}'" for part in parts)
    raise Refusal(f"{path}: has no {wanted}; it has {', '.join(map(repr, arrays)) or 'nothing'}")


def _samples(path: Path, arrays: dict[str, np.ndarray], part: str, input_scale: float | None) -> Samples:
    """`x` and `y` of one part of the file, checked and scaled."""
    try:
        x = _scaled(f"x{part}", arrays[f"x{part}"], input_scale)
        y = _labels(f"y{part}", arrays[f"y{part}"], len(x)) if f"y{part}" in arrays else None
    except Refusal as refusal:
        raise Refusal(f"{path}: {refusal}") from None
    return Samples(x, y)


def _scaled(name: str, x: np.ndarray, input_scale: float | None) -> np.ndarray:
    if not np.issubdtype(x.dtype, np.integer) and not np.issubdtype(x.dtype, np.floating):
        raise Refusal(f"'{name}' holds {x.dtype}; it must hold real numbers")
    if x.ndim == 0 or len(x) == 0:
        raise Refusal(f"'{name}' is empty; at least one sample is needed")
    if input_scale is None:
        return x.astype(np.float32) / np.float32(255) if x.dtype == np.uint8 else x
    if not (np.isfinite(input_scale) and input_scale > 0):
        raise Refusal(f"the input scale must be a positive finite number, not {input_scale!r}")
    if not np.issubdtype(x.dtype, np.integer):
        raise Refusal(f"'{name}' holds {x.dtype}, which is fed as it is; an input scale is for integers only")
    return x.astype(np.float32) * np.float32(input_scale)


def _labels(name: str, y: np.ndarray, n: int) -> np.ndarray:
    if y.ndim == 2 and y.shape[1] == 1:  # as Keras's CIFAR-10 has them
        y = y[:, 0]
    if not np.issubdtype(y.dtype, np.integer) or y.ndim != 1:
        raise Refusal(f"'{name}' holds {y.dtype} of shape {y.shape}; labels must be integers of shape ({n},)")
    if len(y) != n:
        raise Refusal(f"'{name}' holds {len(y)} labels for {n} samples; there must be one a sample")
    return y
