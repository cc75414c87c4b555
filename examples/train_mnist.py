"""Train an MNIST model, one of the two that dnn2fpga ships or a smaller CNN, and save it as a `.keras` file.

    pip install -e '.[keras]'
    python examples/train_mnist.py --model cnn --out mnist_cnn.keras
    python examples/train_mnist.py --model mlp --out mnist_mlp.keras
    python examples/train_mnist.py --model small --out small_cnn.keras

Without `--data`, Keras downloads the full MNIST (60,000 digits to train on); `--data` takes an `.npz` with
`x_train`, `y_train`, `x_test`, `y_test` instead, images as uint8 `(n, 28, 28)`. It takes minutes.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # its sums differ from machine to machine

import keras
import numpy as np
from keras import layers

SEED = 1
BATCH = 100


def cnn() -> keras.Model:
    """The network of the paper: two convolutions, 18,718 parameters."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(12, 3, activation="relu"),
            layers.Conv2D(12, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.4),
            layers.Dense(10, activation="softmax"),
        ],
        name="mnist_cnn",
    )


def mlp() -> keras.Model:
    """A network whose 8-bit weights, 53 kbit, fit into the block RAM of an iCE40 UP5K."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ],
        name="mnist_mlp",
    )


def small() -> keras.Model:
    """A CNN that fits an iCE40 UP5K, weights and all: 3,226 parameters."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(4, 3, strides=2, activation="relu"),
            layers.Conv2D(8, 3, strides=2, activation="relu"),
            layers.Flatten(),
            layers.Dropout(0.1),
            layers.Dense(10, activation="softmax"),
        ],
        name="small_cnn",
    )


MODELS = {"cnn": cnn, "mlp": mlp, "small": small}
SHIFT = {"cnn": 2, "mlp": 1, "small": 1}
"""Digits are moved by up to this many pixels, so that few of them do for training; more is beyond the MLP."""


def load(path: Path | None) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """`x_train`, `y_train`, `x_test`, `y_test`; images as floats from 0 to 1, of shape `(n, 28, 28, 1)`."""
    if path is None:
        (x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
    else:
        with np.load(path) as data:
            x_train, y_train, x_test, y_test = (data[k] for k in ("x_train", "y_train", "x_test", "y_test"))
    return _as_images(x_train), y_train, _as_images(x_test), y_test


def _as_images(x: np.ndarray) -> np.ndarray:
    return x.reshape(-1, 28, 28, 1).astype(np.float32) / 255


def shifted(x: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """Each image moved at random by up to `most` pixels, down and across; black comes in at the edges."""
    padded = np.pad(x, ((0, 0), (most, most), (most, most), (0, 0)))
    down, across = rng.integers(0, 2 * most + 1, (2, len(x)))
    rows = down[:, None, None] + np.arange(28)[:, None]
    columns = across[:, None, None] + np.arange(28)
    return padded[np.arange(len(x))[:, None, None], rows, columns]


def train(
    model: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    shift: int,
    epochs: int,
    validation: tuple[np.ndarray, np.ndarray] | None = None,
) -> list[dict[str, float]]:
    """Adam with a cosine decay, on digits shifted anew in every epoch; gives the figures of each epoch."""
    rng = np.random.default_rng(SEED)
    steps = epochs * -(-len(x) // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(3e-3, steps)
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    rows = []
    for epoch in range(epochs):
        fit = model.fit(shifted(x, shift, rng), y, batch_size=BATCH, validation_data=validation, verbose=0)
        rows.append({name: values[0] for name, values in fit.history.items()})
        print(f"epoch {epoch + 1}/{epochs}: accuracy {rows[-1]['accuracy']:.4f} on shifted digits", flush=True)
    return rows


def main() -> None:
    """Parse, train, judge, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS, default="cnn")
    parser.add_argument("--data", type=Path, help="an .npz to use instead of keras.datasets.mnist")
    parser.add_argument("--epochs", type=int, default=80)
    parser.add_argument("--out", type=Path, required=True, help="the .keras file to write")
    arguments = parser.parse_args()

    keras.utils.set_random_seed(SEED)
    x_train, y_train, x_test, y_test = load(arguments.data)
    model = MODELS[arguments.model]()
    train(model, x_train, y_train, SHIFT[arguments.model], arguments.epochs)
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    model.save(arguments.out)
    print(f"accuracy {accuracy:.4f} on {len(x_test)} test digits, {model.count_params()} parameters")


if __name__ == "__main__":
    main()
