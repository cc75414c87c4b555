"""What comes with the package: two trained models and digits to try them on. `data/README.md` says whence."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from .errors import Refusal

MODELS = ("mnist_cnn", "mnist_mlp")


def model_folder(name: str) -> Path:
    """The model description of a shipped model. Raises `Refusal` if there is none of this name."""
    if name not in MODELS:
        raise Refusal(f"no model '{name}' is shipped; shipped are: {', '.join(MODELS)}")
    return _data() / name


def digits() -> Path:
    """MNIST digits: `x_train`, `y_train` (500, to calibrate on), `x_test`, `y_test` (1,000)."""
    return _data() / "digits.npz"


def _data() -> Path:
    return Path(str(files("dnn2fpga"))) / "data"
