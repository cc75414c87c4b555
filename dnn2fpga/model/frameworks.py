"""TensorFlow and Keras, imported when they are needed, in silence."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import Refusal


def import_keras(purpose: str) -> Any:
    """Keras. Raises `Refusal`, which names the `purpose`, if it or what it runs on is missing."""
    with _importing(purpose):
        import keras
    return keras


def import_h5py(purpose: str) -> Any:
    """The reader of HDF5 files. Raises `Refusal`, which names the `purpose`, if it is missing."""
    try:
        import h5py
    except ImportError:
        raise Refusal(f"{purpose} needs h5py; pip install 'dnn2fpga[keras]'") from None
    return h5py


def tensorflow_and_keras(purpose: str) -> tuple[Any, Any]:
    """The two modules. Raises `Refusal` if they are missing, or if Keras runs on another framework."""
    keras = import_keras(purpose)
    with _importing(purpose):
        import tensorflow
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise Refusal(f"{purpose} needs Keras on TensorFlow, not on {backend}; unset KERAS_BACKEND")
    return tensorflow, keras


def one_line(error: Exception) -> str:
    """What an error says, on one line of bearable length."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:200] + "…"


@contextmanager
def _importing(purpose: str) -> Iterator[None]:
    """Standard error goes nowhere: what TensorFlow's libraries write while they load obeys no setting."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read when TensorFlow is imported
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    except ImportError as error:
        reason = " ".join(str(error).split())
        raise Refusal(f"{purpose} needs TensorFlow ({reason}); pip install 'dnn2fpga[keras]'") from None
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
