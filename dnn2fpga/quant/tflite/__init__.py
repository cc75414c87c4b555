"""The front end for full-int8 `.tflite` files: they are quantized already, so they become integer models at once."""

from __future__ import annotations

from pathlib import Path

from ..graph import QGraph

__all__ = ["from_tflite"]


def from_tflite(path: str | Path) -> QGraph:
    """The integer model of a full-int8 `.tflite` file, which gives its bytes.

    Raises `Refusal`, naming the tensor or operator, for what cannot be done.
    """
    from . import importer  # the schema is half a second's import, which all commands would wait for

    return importer.from_tflite(path)
