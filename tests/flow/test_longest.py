"""The longest path of a placed design: modules of a few cells, as nextpnr writes them, against sums by hand."""

import pytest

from dnn2fpga.flow.longest import CARRY, INTO_CARRY, LUT, OUT_OF_CARRY, OUTPUT_REGISTER, STARTS, Places, wire_ps

CLOCK, OTHER = 1, 2
FF = STARTS["TRELLIS_FF"]


def cell(kind, x, parameters=None, *, outputs=None, **inputs):
    inputs["unused"], outputs = None, outputs or {}
    return {
        "type": kind,
        "parameters": parameters or {},
        "attributes": {"NEXTPNR_BEL": f"X{x}/Y9/BEL"},
        "port_directions": dict.fromkeys(inputs, "input") | dict.fromkeys(outputs, "output"),
        "connections": {port: [] if bit is None else [bit] for port, bit in (inputs | outputs).items()},
    }


def ff(x, clock, d, q):
    return cell("TRELLIS_FF", x, CLK=clock, M=d, outputs={"Q": q})


def longest(**cells):
    return Places({"cells": cells}).longest_ps(CLOCK)


@pytest.mark.parametrize(
    ("one", "other", "ps"), [((3, 4), (3, 4), 480), ((3, 4), (6, 4), 960), ((20, 9), (3, 4), 3040)]
)
def test_a_wire(one, other, ps):
    assert wire_ps(one, other) == wire_ps(other, one) == ps


def test_through_a_lut():
    cells = {"a": ff(10, CLOCK, 90, 11), "lut": cell("TRELLIS_COMB", 30, A=11, outputs={"F": 12})}
    assert longest(**cells, b=ff(70, CLOCK, 12, 13)) == FF + wire_ps((0, 0), (20, 0)) + LUT + wire_ps((0, 0), (40, 0))


def test_of_two_ways_the_longer():
    cells = {"a": ff(10, CLOCK, 90, 11), "near": ff(12, CLOCK, 11, 12), "far": ff(50, CLOCK, 11, 13)}
    assert longest(**cells) == FF + wire_ps((0, 0), (40, 0))


def test_along_a_carry_chain():
    cells = {"a": ff(5, CLOCK, 90, 10)}
    for at in range(1000):  # deeper than Python's stack
        carry = {"FCI": 99 + at} if at else {"A": 10}
        cells[f"carry{at}"] = cell("TRELLIS_COMB", 5, **carry, outputs={"FCO": 100 + at})
    cells["sum"] = cell("TRELLIS_COMB", 5, FCI=1099, outputs={"F": 2000})
    cells["b"] = cell("TRELLIS_FF", 5, CLK=CLOCK, DI=2000, outputs={"Q": 2001})
    assert longest(**cells) == FF + wire_ps((0, 0), (0, 0)) + INTO_CARRY + 999 * CARRY + OUT_OF_CARRY


@pytest.mark.parametrize(("mode", "start"), [("NOREG", STARTS["DP16KD"]), ("OUTREG", OUTPUT_REGISTER)])
def test_out_of_a_block_ram(mode, start):
    parameters = {"REGMODE_A": "NOREG", "REGMODE_B": mode}
    memory = cell("DP16KD", 10, parameters, CLKA=OTHER, CLKB=CLOCK, outputs={"DOA0": 20, "DOB3": 21})
    ends = {"a": ff(90, CLOCK, 20, 30), "b": ff(11, CLOCK, 21, 31)}  # a is of another clock's port
    assert longest(memory=memory, **ends) == start + wire_ps((0, 0), (1, 0))


def test_a_path_to_or_from_another_clock_does_not_count():
    cells = {"a": ff(10, CLOCK, 90, 11), "b": ff(12, CLOCK, 11, 12), "c": ff(99, OTHER, 11, 13)}
    assert longest(**cells, d=ff(1, CLOCK, 13, 14)) == FF + wire_ps((0, 0), (2, 0))


def test_what_only_writes_a_lut_memory_is_no_path_through_it():
    cells = {"a": ff(10, CLOCK, 90, 11), "b": ff(90, CLOCK, 12, 13)}
    cells["memory"] = cell("TRELLIS_COMB", 12, WD=11, WCK=CLOCK, WRE=11, WAD0=11, outputs={"F": 12})
    assert longest(**cells) == 0


def test_constants_are_no_paths():
    cells = {"$PACKER_GND": cell("TRELLIS_COMB", 90, outputs={"F": 11}), "a": ff(1, CLOCK, 11, 12)}
    assert longest(**cells) == 0
