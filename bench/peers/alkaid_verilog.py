"""alkaid: a network as adder graphs only, a whole inference a clock. Run in the peer's own environment.

    python alkaid_verilog.py NETWORK BITS OUT

It writes Verilog, `inputs.npy` and `outputs.npy` to the folder OUT, simulates the Verilog against alkaid's own
integers, and prints its figures as JSON.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from alkaid.codegen import RTLModel
from alkaid.trace import FVArrayInput, HWConfig, trace
from alkaid.trace.ops import quantize, relu

sys.path.append(str(Path(__file__).parent.parent))
from random_weights import shift, weights

SHAPES = {"jet_mlp": (16,), "tiny_cnn": (8, 8)}
CUTOFF = 5
"""Adders in a row between two registers."""
IMAGES = 60
MOST_LAG = 40


def jet_mlp(x, bits):
    """16-64-32-32-5."""
    rng = np.random.default_rng(0)
    for units in (64, 32, 32):
        x = activation(x @ weights(rng, (x.shape[-1], units), bits).astype(float), bits, x.shape[-1])
    return x @ weights(rng, (32, 5), bits).astype(float)


def tiny_cnn(x, bits):
    """A convolution, written as a product for each position, max-pooling and a dense layer."""
    rng = np.random.default_rng(0)
    kernel = weights(rng, (9, 4), bits).astype(float)
    y = np.stack([np.stack([x[i : i + 3, j : j + 3].reshape(9) @ kernel for j in range(6)]) for i in range(6)])
    y = activation(y, bits, 9)
    y = np.max(np.stack([y[i::2, j::2] for i in (0, 1) for j in (0, 1)]), axis=0)
    return y.reshape(36) @ weights(rng, (36, 10), bits).astype(float)


def activation(x, bits, terms):
    """ReLU to 7 bits, rounding half up."""
    return quantize(relu(x * 2.0 ** -shift(bits, terms)), 0, 7, 0, "SAT", "RND")


def main():
    """Make, simulate, print."""
    network, bits, out = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    start = time.perf_counter()
    given = FVArrayInput(SHAPES[network], HWConfig(1, -1, -1), {"hard_dc": 2})
    graph = trace(given, globals()[network](quantize(given, 1, 7, 0), bits))
    model = RTLModel(graph, out, "model", flavor="verilog", latency_cutoff=CUTOFF)
    model.write()
    seconds = time.perf_counter() - start
    # Yosys stops at the tables' file names, which are placeholders; nothing here uses tables.
    sources = [path for path in sorted(out.glob("src/**/*.v")) if "lookup_table" not in path.name]
    inputs = np.random.default_rng(1).integers(-128, 128, size=(IMAGES, *SHAPES[network]))
    outputs = graph.predict(inputs.reshape(IMAGES, -1).astype(float)).astype(int)
    np.save(out / "inputs.npy", inputs)
    np.save(out / "outputs.npy", outputs)
    print(
        json.dumps(
            {
                "cycles_per_image": 1, "latency_cycles": model.latency, "seconds_to_verilog": seconds,
                "simulated_images_per_second": simulated(sources, inputs.reshape(IMAGES, -1), outputs, out),
                "simulator": "Icarus", "sources": [str(path) for path in sources],
                "top": "model_wrapper", "clock": "clk",
            }
        )
    )  # fmt: skip


def simulated(sources, inputs, outputs, out):
    """Images a second in Icarus Verilog, one a clock. Asserts that all outputs are as they should be."""
    wide = [int("".join(f"{value & 255:02x}" for value in reversed(row.tolist())), 16) for row in inputs]
    (out / "inputs.hex").write_text("".join(f"{value:x}\n" for value in wide))
    width = width_of_outputs(sources)
    (out / "testbench.v").write_text(
        "module testbench;\n"
        f"reg clk = 0; reg [{8 * inputs.shape[1] - 1}:0] given [0:{IMAGES - 1}];\n"
        f"reg [{8 * inputs.shape[1] - 1}:0] x; wire [{width - 1}:0] y; integer n;\n"
        "model_wrapper dut(.clk(clk), .model_inp(x), .model_out(y));\n"
        'initial begin $readmemh("inputs.hex", given);\n'
        f"for (n = 0; n < {IMAGES + MOST_LAG}; n = n + 1) begin\n"
        f'x = given[n < {IMAGES} ? n : {IMAGES - 1}]; #5 clk = 1; #5 clk = 0; $display("%h", y);\n'
        "end $finish; end endmodule\n"
    )
    compiled = ["iverilog", "-g2012", "-s", "testbench", "-o", "testbench.vvp", "testbench.v"]
    subprocess.run([*compiled, *map(str, sources)], cwd=out, check=True)
    start = time.perf_counter()
    said = subprocess.run(["vvp", "testbench.vvp"], cwd=out, check=True, capture_output=True, text=True).stdout.split()
    seconds = time.perf_counter() - start
    found = [integers(word, width // outputs.shape[1], outputs.shape[1]) for word in said]
    assert any(found[lag : lag + IMAGES] == outputs.tolist() for lag in range(MOST_LAG)), "the Verilog is wrong"
    return (IMAGES + MOST_LAG) / seconds


def width_of_outputs(sources):
    """Bits of the port `model_out`."""
    [wrapper] = [path for path in sources if path.stem == "model_wrapper"]
    [line] = [line for line in wrapper.read_text().splitlines() if "output" in line and "model_out" in line]
    return int(line.split("[")[1].split(":")[0]) + 1


def integers(word, bits, count):
    """The signed integers that a hexadecimal word holds; none where it holds unknown bits."""
    if set(word) & set("xz"):
        return []
    parts = [int(word, 16) >> bits * at & (1 << bits) - 1 for at in range(count)]
    return [part - (part >> bits - 1 << bits) for part in parts]


if __name__ == "__main__":
    main()
