"""Files of Keras 2 and 3: `.keras`, whole models in `.h5`, and `.json` with weights beside it.

They are read as they are, without Keras, which refuses many of the older ones and runs what is in the newer ones.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import Refusal
from .frameworks import import_h5py, one_line
from .keras_config import Model, read_model
from .keras_weights import WeightsOf, weights_in


@contextmanager
def opened(path: Path) -> Iterator[tuple[Model, WeightsOf]]:
    """The model in a file, and its weights while the file is open.

    Beside `model.json` stand `model.weights.h5` or `model.h5`. Raises `Refusal` on what cannot be read.
    """
    read = {".keras": _keras, ".h5": _h5, ".hdf5": _h5, ".json": _json}.get(path.suffix)
    if read is None:
        raise Refusal(
            f"{path}: a Keras model must be a .keras or .h5 file, or a .json file with its weights beside it; "
            "save it with model.save('model.keras')"
        )
    if not path.is_file():
        raise Refusal(f"{path}: no such file")
    with read(path) as found:
        yield found


@contextmanager
def _keras(path: Path) -> Iterator[tuple[Model, WeightsOf]]:
    if not zipfile.is_zipfile(path):  # the directory of a zip archive stands at its end
        raise Refusal(f"{path}: is cut off, or not a .keras file; save the model again")
    try:
        with zipfile.ZipFile(path) as archive:
            record, about = (json.loads(archive.read(name)) for name in ("config.json", "metadata.json"))
            weights = io.BytesIO(archive.read("model.weights.h5"))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise Refusal(f"{path}: is damaged, or not a .keras file: {one_line(error)}; save the model again") from None
    old = _is_old(path, about.get("keras_version"))
    model = _model(path, record, old)
    with _hdf5(path, weights) as file:
        yield model, _weights(path, file, model, old)


@contextmanager
def _h5(path: Path) -> Iterator[tuple[Model, WeightsOf]]:
    with _hdf5(path, path) as file:
        if "model_config" not in file.attrs or "model_weights" not in file:
            raise Refusal(
                f"{path}: holds no whole model; write one with model.save, or lay the architecture, from "
                "model.to_json(), beside it, and give that .json file"
            )
        record = _record(path, file.attrs["model_config"])
        old = _is_old(path, _text(file.attrs.get("keras_version")))
        model = _model(path, record, old)
        yield model, _weights(path, file["model_weights"], model, old)


@contextmanager
def _json(path: Path) -> Iterator[tuple[Model, WeightsOf]]:
    record = _record(path, path.read_bytes())
    old = isinstance(record, dict) and _is_old(
        path, record.get("keras_version", "2." if "module" not in record else "3.")
    )
    model = _model(path, record, old)
    beside = [path.with_suffix(suffix) for suffix in (".weights.h5", ".h5")]
    found = [weights for weights in beside if weights.is_file()]
    if not found:
        names = " or ".join(weights.name for weights in beside)
        raise Refusal(f"{path}: holds no weights; lay them beside it, as {names}")
    with _hdf5(found[0], found[0]) as file:
        yield model, _weights(found[0], file.get("model_weights", file), model, old)


@contextmanager
def _hdf5(path: Path, source: Any) -> Iterator[Any]:
    h5py = import_h5py("reading files of Keras")
    try:
        file = h5py.File(source, "r")
    except OSError:
        raise Refusal(f"{path}: is cut off, or its weights are no HDF5 file; save the model again") from None
    with file:
        yield file


def _record(path: Path, text: Any) -> Any:
    try:
        return json.loads(_text(text))
    except ValueError as error:
        raise Refusal(f"{path}: its architecture is not sound JSON: {one_line(error)}; save the model again") from None


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _is_old(path: Path, version: Any) -> bool:
    """Whether Keras 2 wrote it. Of files that do not say only the `.json` ones of Keras 3 are new."""
    if str(version).startswith(("0.", "1.")):
        raise Refusal(f"{path}: was written by Keras {version}; load and save it with Keras 2 (pip install tf_keras)")
    return not str(version).startswith("3.")


def _model(path: Path, record: Any, old: bool) -> Model:
    try:
        return read_model(record, old=old)
    except Refusal:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, StopIteration) as error:
        raise Refusal(f"{path}: its architecture is damaged: {one_line(error)}; save the model again") from None


def _weights(path: Path, group: Any, model: Model, old: bool) -> WeightsOf:
    if _text(group.attrs.get("backend")) in ("theano", "cntk"):
        raise Refusal(f"{path}: its kernels are laid out for another framework; save it again on TensorFlow")
    try:
        weights_of = weights_in(group, model, old=old)
    except Refusal as refusal:
        raise Refusal(f"{path}: {refusal}") from None

    def sound(names: tuple[str, ...]) -> Any:
        try:
            return weights_of(names)
        except (OSError, KeyError, TypeError, AttributeError) as error:
            raise Refusal(f"its weights in {path.name} are damaged: {one_line(error)}; save the model again") from None

    return sound
