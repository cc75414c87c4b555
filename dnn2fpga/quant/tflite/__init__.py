"""The front end for full-int8 `.tflite` files: they are quantized already, so they become integer models at once."""

from .importer import from_tflite

__all__ = ["from_tflite"]
