"""What an interrupted training goes on from: an `.npz` of the last finished epoch."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import Refusal
from ..model.npz import read_npz

FINGERPRINT = "fingerprint"


def fingerprint(*parts: Any) -> str:
    """What tells one training from another: model, settings and data, as dataclasses, arrays and plain values."""
    seen = hashlib.sha256()
    for piece in _pieces(parts):
        seen.update(piece)
    return seen.hexdigest()


def _pieces(value: Any) -> Iterable[bytes]:
    """A value as bytes that are the same in every process: the order of a set is not."""
    if isinstance(value, np.ndarray):
        yield f"{value.dtype}{value.shape}".encode()
        yield value.tobytes()
    elif isinstance(value, Mapping):
        for key in sorted(value):
            yield from (str(key).encode(), *_pieces(value[key]))
    elif isinstance(value, frozenset):
        yield repr(sorted(value)).encode()
    elif isinstance(value, tuple):
        for part in value:
            yield from _pieces(part)
    elif hasattr(value, "__dataclass_fields__"):
        yield type(value).__name__.encode()
        yield from _pieces({name: getattr(value, name) for name in value.__dataclass_fields__})
    else:
        yield repr(value).encode()


def save(path: Path, owner: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Write the arrays of the training `owner`; the file takes its name when it is whole.

    Raises `Refusal` if it cannot be written.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            np.savez(file, **{FINGERPRINT: np.array(owner)}, **arrays)  # type: ignore[arg-type]
        os.replace(part, path)
    except OSError as error:
        raise Refusal(f"{path}: the checkpoint cannot be written here: {error.strerror}") from None


def load(path: Path, owner: str) -> dict[str, np.ndarray]:
    """What `save` wrote. Raises `Refusal` on a damaged file, and on one of another training."""
    arrays = read_npz(path)
    if str(arrays.pop(FINGERPRINT, None)) != owner:
        raise Refusal(
            f"{path}: is no checkpoint of this training, but of another model, scheme, data or setting; "
            "name another file, or remove this one"
        )
    return arrays
