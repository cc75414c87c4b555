"""Multiply and add against an independent oracle: NumPy's own floats, and `ml_dtypes`."""

import operator

import numpy as np
import pytest
from amaranth import Shape, Value

from dnn2fpga.flow.engines import Cxxrtl
from dnn2fpga.hw.floating import Add, Multiply
from dnn2fpga.hw.floating.bits import bits_of_code, code_of_bits

from .floats import FORMATS, coded, pairs, typed
from .harness import Streamed


def multiply(fmt):
    def wire(m, a, b):
        m.submodules.dut = dut = Multiply(fmt)
        m.d.comb += [dut.a.eq(a), dut.b.eq(b)]
        return dut.p, dut.latency

    return wire


def add(fmt):
    def wire(m, a, b):
        m.submodules.dut = dut = Add(fmt)
        m.d.comb += [Value.cast(dut.a).eq(bits_of_code(a, fmt)), Value.cast(dut.b).eq(bits_of_code(b, fmt))]
        return code_of_bits(dut.s, fmt), dut.latency

    return wire


OPERATIONS = [pytest.param(multiply, operator.mul, id="multiply"), pytest.param(add, operator.add, id="add")]


def mismatches(make, operation, fmt, count):
    code = Shape(fmt.bits, True)
    words = pairs(fmt, count)
    assert len(words) >= count
    trace = Cxxrtl().run(Streamed(code, 2, code, make(fmt)), words, len(words))
    with np.errstate(all="ignore"):
        expected = coded(operation(typed(words[:, 0], fmt), typed(words[:, 1], fmt)), fmt)
    wrong = np.flatnonzero(trace.words[:, 0] != expected)
    return [(words[at].tolist(), int(trace.words[at, 0]), int(expected[at])) for at in wrong]


@pytest.mark.parametrize("fmt", FORMATS, ids=lambda fmt: fmt.name)
@pytest.mark.parametrize(("make", "operation"), OPERATIONS)
def test_some_pairs(make, operation, fmt):
    assert mismatches(make, operation, fmt, 20_000)[:3] == []


@pytest.mark.slow
@pytest.mark.parametrize("fmt", FORMATS, ids=lambda fmt: fmt.name)
@pytest.mark.parametrize(("make", "operation"), OPERATIONS)
def test_a_million_pairs(make, operation, fmt):
    assert mismatches(make, operation, fmt, 1_000_000)[:3] == []
