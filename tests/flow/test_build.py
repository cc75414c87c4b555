import json
import time
from dataclasses import replace

import pytest
from dnn2fpga.platforms import find

from dnn2fpga.errors import Refusal, Shortfall
from dnn2fpga.flow import toolchain
from dnn2fpga.flow.build import build, hash_of, read_record
from dnn2fpga.hw.resources import Resources
from dnn2fpga.hw.stream import MasterSlave, Narrow

BOARD = find("ulx3s_12f")
REPORT = {
    "critical_paths": [],
    "fmax": {"clk": {"achieved": 91.5, "constraint": 80.0}},
    "utilization": {
        "TRELLIS_COMB": {"used": 600, "available": 24288},
        "TRELLIS_FF": {"used": 400, "available": 24288},
        "MULT18X18D": {"used": 1, "available": 28},
        "DP16KD": {"used": 2, "available": 56},
    },
}

ARGUMENTS = """
for argument; do
  case $before in --report) report=$argument;; --textcfg) routed=$argument;; --seed) seed=$argument;; esac
  before=$argument
done
"""
"""What a stand-in for nextpnr is told, in variables of the shell."""


def run(out, board=BOARD, pipeline=None, keep=lambda: None, **manifest):
    steps = []
    result = build(
        pipeline or MasterSlave(8, 2),
        board,
        out,
        values_in=8,
        values_out=8,
        manifest=manifest,
        keep=keep,
        progress=steps.append,
    )
    of_route = [step.removeprefix("placing and routing: ") for step in steps[3:-1]]
    assert steps == [
        "elaborating", "synthesizing", "placing and routing",
        *(f"placing and routing: {step}" for step in of_route), "packing",
    ]  # fmt: skip
    return result


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """Stand-ins for router and packer: `tools(nextpnr=…, ecppack=…)` sets their shell scripts."""

    def install(**scripts):
        defaults = {
            "nextpnr": f"echo '{json.dumps(REPORT)}' > $report; echo routed > $routed",
            "ecppack": 'echo "$@" > packed.bit',
        }
        for name, script in (defaults | scripts).items():
            tool = tmp_path / name
            tool.write_text(f"#!/bin/sh\n{ARGUMENTS}\n{script}\n")
            tool.chmod(0o755)
        monkeypatch.setenv("NEXTPNR_ECP5", str(tmp_path / "nextpnr"))
        monkeypatch.setenv("ECPPACK", str(tmp_path / "ecppack"))

    install()
    return install


def test_figures_and_record(tmp_path, tools):
    out = tmp_path / "out"
    result = run(out, model="digits")
    assert result.bitstream == out / "design.bit"
    assert result.bitstream.read_text() == "--compress top.config packed.bit\n"
    assert (result.clock_mhz, result.fmax_mhz, result.seed) == (80, 91.5, 1)
    assert (result.luts, result.ffs, result.dsps, result.brams) == (600, 400, 1, 2)
    record = read_record(out)
    assert record["model"] == "digits"
    assert record["board"] == "ulx3s_12f"
    assert (record["fmax_mhz"], record["seed"]) == (91.5, 1)
    assert record["design_hash"] == hash_of(MasterSlave(8, 2)).hex()
    assert record["link"]["inputs"] == {"values": 8, "bits": 8, "signed": False}


def test_the_router_is_told_the_chip_and_the_clock(tmp_path, tools):
    tools(nextpnr=f"echo \"$@\" > called; echo '{json.dumps(REPORT)}' > $report; touch $routed")
    run(tmp_path / "out")
    called = (tmp_path / "out" / "called").read_text()
    assert called.startswith("--12k --package CABGA381 --speed 6 --json top.json --lpf top.lpf")
    assert "--placer static" in called
    assert "--freq 80.000 --seed 1 " in called


def test_too_large_is_seen_before_routing(tmp_path, tools):
    tools(nextpnr="touch called")
    small = replace(BOARD, device=replace(BOARD.device, budget=Resources(luts=50, ffs=10, dsps=1, brams=1)))
    with pytest.raises(Shortfall, match=r"too large for ulx3s_12f: \d+ luts of 50, \d+ ffs of 10") as short:
        run(tmp_path / "out", small)
    assert short.value.figures["luts"] > 50
    assert not (tmp_path / "out" / "called").exists()


def test_an_over_full_placement_is_stopped(tmp_path, tools):
    tools(nextpnr="echo 'Info:       TRELLIS_COMB: 30000/24288   123%'; exec sleep 60")
    begin = time.monotonic()
    with pytest.raises(Shortfall, match="too large for ulx3s_12f: 30000 TRELLIS_COMB of 24288") as short:
        run(tmp_path / "out")
    assert time.monotonic() - begin < 30
    assert short.value.figures == {"luts": 30000}


def test_a_clock_not_met_is_told_with_its_figure(tmp_path, tools):
    slow = REPORT | {"fmax": {"clk": {"achieved": 71.25, "constraint": 80.0}}}
    tools(nextpnr=f"echo '{json.dumps(slow)}' > $report; touch $routed")
    with pytest.raises(
        Shortfall, match=r"runs at 71.2 MHz at most, not at the 80 MHz asked of ulx3s_12f, seeds tried: 8"
    ) as short:
        run(tmp_path / "out")
    assert short.value.figures["fmax_mhz"] == 71.25
    assert short.value.figures["luts"] == 600


@pytest.mark.parametrize(
    ("scripts", "message"),
    [
        ({"nextpnr": "echo ERROR: cannot place; exit 1"}, "nextpnr-ecp5 failed with status 1: ERROR: cannot"),
        ({"ecppack": "echo half > packed.bit; echo cannot; exit 2"}, "ecppack failed with status 2: cannot"),
    ],
)
def test_a_failing_tool_leaves_no_bitstream_nor_an_old_one(tmp_path, tools, scripts, message):
    out = tmp_path / "out"
    run(out)
    tools(**scripts)
    with pytest.raises(toolchain.ToolError, match=message):
        run(out)
    assert not (out / "design.bit").exists()
    with pytest.raises(Refusal, match="holds no finished build"):
        read_record(out)
    assert (out / "nextpnr_1.log").exists()


def test_what_belongs_to_it_is_kept_before_the_bitstream_is_there(tmp_path, tools):
    out = tmp_path / "out"
    run(out)
    seen = []
    run(out, keep=lambda: seen.append([(out / name).exists() for name in ("packed.bit", "design.bit", "build.json")]))
    assert seen == [[True, False, False]]


@pytest.mark.parametrize("record", ["", '{"bitstr', "{}", "[]", '"design.bit"'])
def test_a_damaged_record_is_refused(tmp_path, record):
    (tmp_path / "build.json").write_text(record)
    with pytest.raises(Refusal, match=r"build\.json is damaged: run `dnn2fpga build` with --out"):
        read_record(tmp_path)


def test_the_hash_knows_designs_apart():
    assert hash_of(MasterSlave(8, 2)) == hash_of(MasterSlave(8, 2))
    assert len({hash_of(MasterSlave(8, 2)), hash_of(MasterSlave(8, 1)), hash_of(Narrow(8, 2, 2))}) == 3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ulx3s_12f", "ecpix5_45f", "icebreaker", "ice40_hx8k_b_evn"])
def test_down_to_a_bitstream(name, tmp_path):
    out = tmp_path / "out"
    result = run(out, find(name))
    assert result.bitstream.stat().st_size > 10_000
    assert result.fmax_mhz >= result.clock_mhz
    assert 300 < result.luts < 1000
    assert 250 < result.ffs < 700
    assert read_record(out)["bitstream"] == result.bitstream.name
