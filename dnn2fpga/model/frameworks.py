"""TensorFlow and Keras, imported when they are needed, in silence."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import Refusal


def tensorflow_and_keras(purpose: str) -> tuple[Any, Any]:
    """The two modules. Raises `Refusal` if they are missing, or if Keras runs on another framework."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read when TensorFlow is imported
    try:
        with _silence():
            import keras
            import tensorflow
    except ImportError as error:
        reason = " ".join(str(error).split())
        raise Refusal(f"{purpose} needs TensorFlow ({reason}); pip install 'dnn2fpga[keras]'") from None
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise Refusal(f"{purpose} needs Keras on TensorFlow, not on {backend}; unset KERAS_BACKEND")
    return tensorflow, keras


@contextmanager
def _silence() -> Iterator[None]:
    """Standard error goes nowhere: what TensorFlow's libraries write while they load obeys no setting."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
