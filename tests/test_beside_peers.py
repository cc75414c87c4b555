"""The comparison's own parts: what is measured, how, and how it is said; no peer is run, and nothing is built."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from dnn2fpga.flow import toolchain

sys.path.insert(0, str(Path(__file__).parent.parent / "bench"))

import beside_peers
import environments
import networks
import open_flow
from comparison_table import planner_error, table, with_speed
from limit import TooLong, within


def test_a_row_has_what_follows_from_cycles_and_clock():
    row = with_speed({"cycles_per_image": 200, "latency_cycles": 300, "fmax_mhz": 100.0, "luts": 5000})
    assert (row["us_per_image"], row["latency_us"], row["images_per_second"]) == (2.0, 3.0, 500_000.0)
    assert row["luts_us"] == 10_000.0
    assert with_speed({"us_per_image": 4.0})["images_per_second"] == 250_000.0
    assert "us_per_image" not in with_speed({"cycles_per_image": 200, "note": "not routed in 20 minutes"})


def test_a_table_for_each_network_with_its_notes():
    rows = {"a/one": {"luts": 1234, "fmax_mhz": 98.76}, "a/two": {"note": "why"}, "b/one": {"luts": 5}}
    text = table(rows)
    assert text.count("## ") == 2
    [one, two, _] = [line for line in text.splitlines() if line.startswith(("| one", "| two"))]
    assert "| 1,234 |" in one
    assert "98.8" in one
    assert set(two.split("|")[2].strip()) == {"–"}
    assert "- two: why" in text
    assert len({len(line) for line in text.split("## b")[0].splitlines() if line.startswith("|")}) == 1


def test_the_planner_is_judged_by_routed_rows():
    rows = {
        "a/ours": {"planned": {"luts": 110, "ffs": 50, "dsps": 4, "brams": 0}, "luts": 100, "ffs": 50, "dsps": 4},
        "a/peer": {"luts": 7},
    }
    said = "Planned against routed, in our rows: COMB 10%, 10% at worst; FF 0%, 0% at worst; DSP 0%, 0% at worst."
    assert planner_error(rows) == said
    assert planner_error({}) == ""


def test_rows_that_are_kept_are_not_measured_again(monkeypatch):
    monkeypatch.delenv("DNN2FPGA_MODELS", raising=False)
    first, *others = [name for name in beside_peers.NAMES if not name.startswith(beside_peers.FROM_FILES)]
    assert beside_peers.wanted({first: {}}, None) == others
    assert beside_peers.wanted({first: {}}, first) == [first]
    assert "tiny CNN/NNgen 1×1" in beside_peers.wanted({}, "tiny*")
    assert beside_peers.wanted({}, "no such row") == []


def test_a_limit_ends_the_work_and_its_children(tmp_path):
    def work():
        child = subprocess.Popen(["sleep", "60"])
        (tmp_path / "pid").write_text(str(child.pid))
        child.wait()

    assert within(1, lambda: 7) == 7
    with pytest.raises(RuntimeError, match=r"ValueError: no"):
        within(1, lambda: exec("raise ValueError('no')"))
    with pytest.raises(RuntimeError, match=r"without an answer"):
        within(1, lambda: os._exit(1))
    with pytest.raises(TooLong):
        within(0.01, work)
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 10
    while _runs(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(pid)


def _runs(pid):
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_tool_that_is_missing_is_named():
    with pytest.raises(environments.NotHere, match=r"no-such-tool not installed"):
        environments.needs("no-such-tool")


def test_the_harness_holds_every_port_but_the_clock(tmp_path):
    try:
        toolchain.find("yosys")
    except Exception as refusal:
        pytest.skip(str(refusal))
    (tmp_path / "m.v").write_text(
        "module m(input CLK, input [7:0] a, input b, output reg [4:0] y);\n"
        "reg [7:0] x; always @(posedge CLK) begin x <= a; y <= x + b; end endmodule\n"
    )
    harness = open_flow._harness(["m.v"], "m", "CLK", tmp_path)
    assert harness == open_flow.Harness(bits_in=9, bits_out=5)
    toolchain.run_yosys(
        "read_verilog -sv m.v harness.v\nsynth_ecp5 -top harness\ntee -o cells.json stat -json\n", tmp_path
    )
    assert harness.subtracted(open_flow.synthesized(tmp_path))["ffs"] == 5 + 5  # only five bits of x are read


def test_verilog_of_a_peer_is_routed_without_its_harness(tmp_path):
    """Its sources may be in folders, and one folder's may have the names of another's."""
    try:
        toolchain.find("nextpnr-ecp5")
    except Exception as refusal:
        pytest.skip(str(refusal))
    part = "reg [7:0] x; always @(posedge CLK) begin x <= a; y <= {} * x; end endmodule\n"
    ports = "(input CLK, input [7:0] a, output reg [15:0] y);\n"
    sources = [tmp_path / "one" / "m.v", tmp_path / "two" / "m.v"]
    for source, name in zip(sources, ("part", "top_part"), strict=True):
        source.parent.mkdir()
        source.write_text(f"module {name}{ports}{part.format('x' if name == 'top_part' else 'a')}")
    sources.append(tmp_path / "m.v")
    sources[-1].write_text(
        "module m(input CLK, input [7:0] a, b, output [15:0] y, z);\n"
        "part p(.CLK(CLK), .a(a), .y(y)); top_part q(.CLK(CLK), .a(b), .y(z)); endmodule\n"
    )
    figures = open_flow.implement(sources, "m", "CLK", tmp_path, minutes=5)
    assert (figures["luts"], figures["dsps"], figures["brams"]) == (1, 2, 0)  # the LUT is a constant 0
    assert figures["fmax_mhz"] > open_flow.MHZ
    assert "note" not in figures


def test_the_tiny_cnn_is_what_its_formula_says():
    qgraph = networks.tiny_cnn(8)
    x = np.random.default_rng(1).integers(-128, 128, size=(3, 8, 8, 1))
    conv, *_, dense = qgraph.nodes
    kernel = conv.arrays["kernel"].reshape(3, 3, 4)
    sums = sum(x[:, i : i + 6, j : j + 6] * kernel[i, j] for i in range(3) for j in range(3))
    shift = conv.scalars["shift"]
    kept = np.clip((sums + (1 << shift - 1)) >> shift, 0, 127)
    pooled = kept.reshape(3, 3, 2, 3, 2, 4).max(axis=(2, 4)).reshape(3, 36)
    assert (qgraph.run_integers(x) == pooled @ dense.arrays["kernel"]).all()
