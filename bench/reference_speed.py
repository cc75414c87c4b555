"""How fast the integer reference is: `QGraph.run` on the shipped CNN, on one core.

OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 taskset -c 0 python bench/reference_speed.py
"""

import statistics
import time

import dnn2fpga as d2f
from dnn2fpga import shipped
from dnn2fpga.dataset import read_dataset

PASSES = 5


def main() -> None:
    """Print images a second, the median and the best of some passes over 1,000 digits."""
    data = read_dataset(shipped.digits())
    qgraph = d2f.quantize(d2f.load(shipped.model_folder("mnist_cnn")), data.x_calibrate)
    rates = []
    for _ in range(PASSES):
        start = time.perf_counter()
        qgraph.run(data.x_judge)
        rates.append(len(data.x_judge) / (time.perf_counter() - start))
    print(f"QGraph.run: median {statistics.median(rates):,.0f} images/s, best {max(rates):,.0f}")


if __name__ == "__main__":
    main()
