"""The two files of a model description, shared by float and integer models: `model.json` and `weights.npz`.

`model.json` is made for reading. The array `layer/kernel` of `weights.npz` is the `kernel` of layer `layer`.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import Refusal
from .graph import Shape
from .npz import read_npz

FORMAT = "dnn2fpga model"
VERSION = 1
MODEL, WEIGHTS = "model.json", "weights.npz"


def kind_of_description(folder: str | Path) -> str:
    """The numbers of the model in `folder`: "float" or "integer". Raises `Refusal` if it holds none."""
    return _read_head(Path(folder))["numbers"]


def write_folder(folder: str | Path, numbers: str, model: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write a model of "float" or "integer" `numbers`; other files in `folder` are left alone.

    Both files are complete before either takes its name, and `model.json` comes last: a folder that has one
    has the weights that belong to it. Raises `Refusal` if the folder cannot be written.
    """
    folder = Path(folder)
    text = _readable({"format": FORMAT, "version": VERSION, "numbers": numbers, **model})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".writing-", dir=folder) as temporary:
            new = Path(temporary)
            (new / MODEL).write_text(text, encoding="utf-8")
            np.savez_compressed(new / WEIGHTS, **arrays)  # type: ignore[arg-type]
            (folder / MODEL).unlink(missing_ok=True)
            os.replace(new / WEIGHTS, folder / WEIGHTS)
            os.replace(new / MODEL, folder / MODEL)
    except OSError as error:
        raise Refusal(f"{folder}: the model cannot be written here: {error.strerror}") from None


def read_folder(folder: str | Path, numbers: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What `write_folder` wrote: the model, and the arrays.

    Raises `Refusal` on a missing or damaged file, a version from the future, and a model of other numbers.
    """
    folder = Path(folder)
    model = _read_head(folder)
    if model["numbers"] != numbers:
        raise Refusal(f"{folder}: holds a model of {model['numbers']} numbers; here one of {numbers} numbers is needed")
    for key in ("format", "version", "numbers"):
        del model[key]
    return model, read_npz(folder / WEIGHTS)


def take_arrays(
    arrays: dict[str, np.ndarray], layer: str, shapes: Mapping[str, Shape], kind: type
) -> dict[str, np.ndarray]:
    """Take a layer's arrays out of those of `weights.npz`. Raises `Refusal` on a missing or wrong one."""
    taken = {}
    for name, shape in shapes.items():
        key = f"{layer}/{name}"
        if key not in arrays:
            raise Refusal(f"{WEIGHTS}: the array '{key}' is missing; save the model again")
        array = arrays.pop(key)
        if array.shape != shape:
            raise Refusal(f"{WEIGHTS}: '{key}' has shape {array.shape}; {MODEL} says {shape}")
        if not np.issubdtype(array.dtype, kind):
            raise Refusal(f"{WEIGHTS}: '{key}' holds {array.dtype}; it must hold {kind.__name__} numbers")
        taken[name] = array
    return taken


def refuse_leftovers(arrays: Mapping[str, np.ndarray]) -> None:
    """Raise `Refusal` if `weights.npz` holds an array that no layer took."""
    if arrays:
        raise Refusal(f"{WEIGHTS}: '{next(iter(arrays))}' belongs to no layer of {MODEL}; save the model again")


def shapes_of(arrays: Mapping[str, np.ndarray]) -> dict[str, Shape]:
    """The shape of each array."""
    return {name: array.shape for name, array in arrays.items()}


def _read_head(folder: Path) -> dict[str, Any]:
    path = folder / MODEL
    if not folder.is_dir():
        raise Refusal(
            f"{folder}: there is no such file or folder; a model description is a folder with {MODEL} and {WEIGHTS}"
        )
    if not path.is_file():
        raise Refusal(f"{folder}: has no {MODEL}; a model description is a folder with {MODEL} and {WEIGHTS}")
    try:
        model = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise Refusal(f"{path}: is not sound JSON: {error}") from None
    if not isinstance(model, dict) or model.get("format") != FORMAT:
        raise Refusal(f'{path}: is no model description; it must have "format": "{FORMAT}"')
    if model.get("version") != VERSION:
        raise Refusal(f"{path}: version {model.get('version')!r} is unknown; this dnn2fpga reads version {VERSION}")
    if model.get("numbers") not in ("float", "integer"):
        raise Refusal(f"{path}: numbers must be 'float' or 'integer', not {model.get('numbers')!r}")
    return model


def _readable(model: dict[str, Any]) -> str:
    """JSON with an entry a line, but short lists of plain values kept on one."""
    text = json.dumps(model, indent=2, ensure_ascii=False)
    # a string cannot hold a raw line break, so these brackets are JSON's own
    return re.sub(r"\[\n\s*([^\[\]{}]*?)\n\s*\]", lambda m: f"[{' '.join(m[1].split())}]", text) + "\n"
