"""The sliding window on its own, and the one that a compiler got wrong."""

import numpy as np
import pytest
from amaranth import unsigned

from dnn2fpga.flow.engines import ENGINES
from dnn2fpga.hw.window import SlidingWindow
from dnn2fpga.quant.ops.window import Window


@pytest.mark.parametrize("engine", ["pysim", "cxxrtl"])
def test_windows_of_bytes_in_72_bits(engine):
    """GCC 12 at -O2 lost the last byte of the second word here; see `flow/engines/cxxrtl.py`."""
    if missing := ENGINES[engine].missing():
        pytest.skip(missing)
    placement = Window((3, 3)).over((5, 6, 1))
    x = np.arange(1, 61).reshape(2, 5, 6, 1)
    expected = placement.extract(x, 0).reshape(-1, placement.values)
    trace = ENGINES[engine].run(SlidingWindow(unsigned(8), placement), x.reshape(-1, 1), len(expected))
    assert (trace.words == expected).all()
