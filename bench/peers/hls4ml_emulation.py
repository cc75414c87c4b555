"""hls4ml: Keras to C++ that a vendor's tool would make hardware of; without one, its emulation alone runs.

    python hls4ml_emulation.py NETWORK OUT

Run in the peer's own environment. It compiles the emulation in the folder OUT, compares it with Keras, and prints its
figures as JSON.
"""

import contextlib
import json
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import hls4ml
import keras_networks as networks

IMAGES = 1000


def main():
    """Make, run, print."""
    network, out = sys.argv[1:]
    with contextlib.redirect_stdout(sys.stderr):
        figures = run(network, out)
    print(json.dumps(figures))


def run(network, out):
    """The figures of a network, in hls4ml's default precision."""
    model, x = networks.model(network), networks.inputs(network, IMAGES)
    start = time.perf_counter()
    config = hls4ml.utils.config_from_keras_model(model, granularity="model")
    made = hls4ml.converters.convert_from_keras_model(
        model, hls_config=config, backend="Vitis", output_dir=out, io_type="io_parallel"
    )
    made.compile()
    compiled = time.perf_counter() - start
    made.predict(x[:10])
    start = time.perf_counter()
    found = made.predict(x)
    rate = IMAGES / (time.perf_counter() - start)
    expected = model.predict(x, verbose=0)
    agree = (found.reshape(expected.shape).argmax(1) == expected.argmax(1)).mean()
    note = f"C++ emulation, compiled in {compiled:.0f} s; hardware needs a vendor's tool; {agree:.1%} winners of Keras"
    return {"simulated_images_per_second": rate, "simulator": "C++", "note": note}


if __name__ == "__main__":
    main()
