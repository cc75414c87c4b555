"""What Keras 2 called otherwise than Keras 3, or meant otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import Refusal

CLASSES = {
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "SyncBatchNormalization": "BatchNormalization",
}
"""Old names of layers."""

ACTIVATIONS = {"swish": "silu"}
"""Old names of activations."""

OPERATIONS = {
    "__operators__.add": "Add",
    "math.add": "Add",
    "math.subtract": "Subtract",
    "math.multiply": "Multiply",
    "math.maximum": "Maximum",
}
"""The functions of TensorFlow that are layers of Keras."""


def modern(class_name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """What changes of a layer's record: its `class_name`, `config` and whether it is an `operation`.

    Raises `Refusal` on what Keras 3 computes otherwise under the same name.
    """
    if class_name in ("TFOpLambda", "SlicingOpLambda"):
        function = config["function"]
        return {"class_name": OPERATIONS.get(function, f"tf.{function}"), "operation": True}
    config = dict(config)
    activation = config.get("activation")
    if activation == "hard_sigmoid":
        raise Refusal(
            "hard_sigmoid of Keras 2 is 0.2x + 0.5, and not x / 6 + 0.5 as it is now; "
            "train the model again in Keras 3, or use activation='sigmoid'"
        )
    if isinstance(activation, str):
        config["activation"] = ACTIVATIONS.get(activation, activation)
    elif isinstance(activation, dict) and isinstance(activation.get("config"), dict):
        config["activation"] = {**activation, **modern(activation["class_name"], activation["config"])}
    if class_name == "LeakyReLU" and "alpha" in config:
        config["negative_slope"] = number(config.pop("alpha"))
    return {"class_name": CLASSES.get(class_name, class_name), "config": config}


def number(value: Any) -> float:
    """A number, which some versions wrote as an array: `{"type": "ndarray", "value": 0.3}`."""
    return float(value["value"] if isinstance(value, dict) else value)
