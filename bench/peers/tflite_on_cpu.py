"""TensorFlow Lite, full int8, one thread of this machine's processor. Run with TensorFlow beside.

    python tflite_on_cpu.py NETWORK

NETWORK is one of `keras_networks.py`, or a `.tflite` file. It prints its figures as JSON: an image a call, the best
of many runs, since others may be at work on the machine, with and without setting and reading tensors.
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

RUNS = 1000
SECONDS = 0.001
"""What a run takes: less than a slice of time that the machine gives a program among others."""


def main():
    """Convert, run, print."""
    model = sys.argv[1]
    interpreter = tf.lite.Interpreter(
        model_content=Path(model).read_bytes() if model.endswith(".tflite") else converted(model), num_threads=1
    )
    interpreter.allocate_tensors()
    [i], [o] = interpreter.get_input_details(), interpreter.get_output_details()
    image = np.random.default_rng(0).integers(-128, 128, size=i["shape"]).astype(np.int8)

    def whole():
        interpreter.set_tensor(i["index"], image)
        interpreter.invoke()
        interpreter.get_tensor(o["index"])

    whole()
    alone = microseconds(interpreter.invoke)
    busy = f"at a load of {os.getloadavg()[0]:.1f}"
    note = f"{processor()}, one thread, {busy}; {microseconds(whole):.3g} µs with tensors set and read"
    print(json.dumps({"us_per_image": alone, "latency_us": alone, "note": note}))


def converted(network):
    """The network after quantization to int8."""
    import keras_networks as networks

    samples = networks.inputs(network, 100)
    converter = tf.lite.TFLiteConverter.from_keras_model(networks.model(network))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([x[np.newaxis]] for x in samples)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def microseconds(call):
    """A call takes so many."""
    start = time.perf_counter()
    call()
    calls = max(1, int(SECONDS / (time.perf_counter() - start)))
    found = []
    for _ in range(RUNS):
        start = time.perf_counter()
        for _ in range(calls):
            call()
        found.append((time.perf_counter() - start) / calls * 1e6)
    return min(found)


def processor():
    """What the machine says it is."""
    said = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    return said[0] if said else "unknown processor"


if __name__ == "__main__":
    main()
