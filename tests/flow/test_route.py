"""Which seed is kept, and that no nextpnr outlives its use; nextpnr itself is a shell script here."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from dnn2fpga.platforms import find

from dnn2fpga.errors import Shortfall
from dnn2fpga.flow import route as module
from dnn2fpga.flow.family import DENSE, FAMILIES
from dnn2fpga.flow.route import EASIER, PLACED, REACH, ROUNDS, SEEDS, SPARE, SURE, route
from dnn2fpga.flow.toolchain import ToolError

CLOCK = 80.0
SCRIPT = """#!/bin/sh
for argument; do
  case $before in --report) report=$argument;; --textcfg) routed=$argument;; --seed) seed=$argument;; esac
  before=$argument
done
echo $$ > began_$seed
echo "$@" > told_$seed
echo $seed > $routed
cp ../report_$seed $report
. ../script_$seed
"""


@dataclass
class Tool:
    """A nextpnr that does for each seed what it is told."""

    folder: Path

    def seed(self, seed: int, fmax: float, script: str = "") -> None:
        wire = {"achieved": 60.0, "constraint": 25.0}  # slower than the other clock, but fast enough
        report = {"fmax": {"clk": {"achieved": fmax, "constraint": CLOCK}, "wire": wire}}
        (self.folder / f"report_{seed}").write_text(json.dumps(report))
        (self.folder / f"script_{seed}").write_text(script)

    def all_others(self, fmax: float, script: str = "") -> None:
        for seed in range(1, SEEDS + 1):
            if not (self.folder / f"report_{seed}").exists():
                self.seed(seed, fmax, script)

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def route(self, progress=lambda step: None, *, dense=False):
        return route(FAMILIES["ecp5"], find("ulx3s_12f"), self.out, CLOCK, progress, dense=dense)

    def began(self) -> set[int]:
        return {int(path.name.removeprefix("began_")) for path in self.out.glob("began_*")}

    def none_lives(self) -> bool:
        """Whether all have ended, soon: those that were killed must be waited for."""
        end = time.monotonic() + 5
        # One that was killed as it began may not have told its number.
        told = [number for path in self.out.glob("began_*") if (number := path.read_text().strip())]
        while any(Path(f"/proc/{number}").exists() for number in told):
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True


@pytest.fixture
def tool(tmp_path, monkeypatch):
    (tmp_path / "nextpnr").write_text(SCRIPT)
    (tmp_path / "nextpnr").chmod(0o755)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "top.lpf").write_text("# pins")
    monkeypatch.setenv("NEXTPNR_ECP5", str(tmp_path / "nextpnr"))
    monkeypatch.setattr(module, "_at_once", lambda: 4)
    return Tool(tmp_path)


PLACES = """
case "$*" in
  *"--placer-heap-timingweight 40 --no-route"*)
    echo '{"modules": {"top": {"cells": {}, "settings": {"router": "router1", "seed": "1"}}}}' > placed_$seed.json
    echo "Info: Max frequency for clock  'clk': 200.00 MHz (PASS at 80.00 MHz)"
    echo "Info: Max frequency for clock  'clk': %s MHz (FAIL at 80.00 MHz)"
    echo "Info: Max frequency for clock 'wire': 60.00 MHz (PASS at 25.00 MHz)";;
  *"--lpf placed_$seed.lpf"*--no-pack*--no-place*)
    cp placed_$seed.json told_router_$seed; cat placed_$seed.lpf >> clocks_$seed; %s;;
esac
"""


def constraints(clk: float, wire: float) -> str:
    return f'FREQUENCY NET "clk" {clk:.3f} MHZ;\nFREQUENCY NET "wire" {wire:.3f} MHZ;\n# pins'


@pytest.mark.parametrize(
    ("promised", "routed", "told"),
    [((90, 95), 1, SPARE * CLOCK), ((70, 90, 95), 2, SPARE * CLOCK), ((70, 72, 71, 60), 2, 72 * SURE)],
    ids=["the first", "the first that is sure", "the best, where none is"],
)
def test_a_dense_design_is_placed_with_some_seeds_and_one_of_them_routed(tool, promised, routed, told):
    for seed in range(1, PLACED + 1):
        tool.seed(seed, CLOCK, PLACES % (dict(enumerate(promised, 1)).get(seed, 95), "true"))
    found = tool.route(dense=True)
    assert (found.seed, found.fmax_mhz, found.tried) == (routed, CLOCK, routed if told > CLOCK else PLACED)
    (told_router,) = tool.out.glob("told_router_*")
    (module,) = json.loads(told_router.read_text())["modules"].values()
    assert told_router.name == f"told_router_{routed}"
    assert module["settings"] == {"router": "router2", "seed": "1", "router/tmg_ripup": "1".zfill(32)}
    assert (tool.out / f"clocks_{routed}").read_text() == constraints(told, 25 * SPARE)
    assert not list(tool.out.glob("placed_*"))
    assert "Max frequency" in (tool.out / f"nextpnr_{routed}.log").read_text()


def test_a_first_placement_that_is_far_from_the_clock_is_the_only_one(tool):
    tool.seed(1, 60.0, PLACES % (CLOCK / REACH - 1, "true"))
    tool.all_others(CLOCK, "exec sleep 60")
    assert (tool.route(dense=True).tried, tool.none_lives()) == (1, True)


def test_a_placement_promises_what_it_does_with_its_multipliers_seated_anew(tool, monkeypatch):
    def seat(placed, clocks):
        assert placed.name == "placed_1.json"
        return {name: mhz * (1.2 if name == "clk" else 1) for name, mhz in clocks.items()}

    monkeypatch.setattr(module, "seat", seat)
    tool.seed(1, CLOCK, PLACES % (70, "true"))
    tool.all_others(CLOCK, "exec sleep 60")
    assert tool.route(dense=True).tried == 1
    assert (tool.out / "clocks_1").read_text() == constraints(SPARE * CLOCK, 25 * SPARE)


ENDLESS = f"exec yes 'Info: iter={ROUNDS + 1} wires=9 overused=0 tmgfail=7'"


@pytest.mark.parametrize(("ends", "insists"), [(2, "1"), (3, "0")], ids=["with less", "not at all"])
def test_a_router_that_insists_without_end_is_told_less_and_then_not_to(tool, ends, insists):
    tool.seed(1, CLOCK, PLACES % (90, f"[ $(grep -c pins clocks_1) = {ends} ] || {ENDLESS}"))
    tool.all_others(CLOCK, "exec sleep 60")
    assert tool.route(dense=True).fmax_mhz == CLOCK
    (module,) = json.loads((tool.out / "told_router_1").read_text())["modules"].values()
    assert module["settings"]["router/tmg_ripup"] == insists.zfill(32)
    told = [constraints(ease * SPARE * CLOCK, ease * SPARE * 25) for ease in (1, EASIER, 1)]
    assert (tool.out / "clocks_1").read_text() == "".join(told[:ends])


def test_a_router_that_never_ends_is_given_up(tool):
    tool.seed(1, CLOCK, PLACES % (90, ENDLESS))
    tool.all_others(CLOCK, "exec sleep 60")
    with pytest.raises(Shortfall, match="too dense for ulx3s_12f: its routing does not come to an end"):
        tool.route(dense=True)
    assert tool.none_lives()


def test_a_slow_clock_that_is_not_kept_to_counts_as_much_of_the_one_asked_for(tool):
    tool.all_others(CLOCK)
    report = {"clk": {"achieved": 100.0, "constraint": CLOCK}, "wire": {"achieved": 20.0, "constraint": 25.0}}
    (tool.folder / "report_1").write_text(json.dumps({"fmax": report}))
    (tool.folder / "report_2").write_text(json.dumps({"fmax": report | {"wire": {"achieved": 25, "constraint": 25}}}))
    routed = tool.route()
    assert (routed.seed, routed.fmax_mhz) == (2, CLOCK)


def test_a_design_that_finds_no_place_is_too_dense(tool):
    tool.seed(1, CLOCK, "echo 'ERROR: Unable to find legal placement for all cells, ...'; exit 125")
    with pytest.raises(Shortfall, match="too dense for ulx3s_12f: not all of its cells find a place"):
        tool.route()


def test_only_large_designs_of_a_family_that_knows_them_are_dense():
    assert [FAMILIES["ecp5"].is_dense(luts) for luts in (DENSE, DENSE + 1)] == [False, True]
    assert not FAMILIES["ice40"].is_dense(DENSE + 1)


def test_a_first_seed_that_meets_the_clock_is_the_only_one(tool):
    tool.seed(1, CLOCK)
    tool.all_others(200)
    routed = tool.route()
    assert (routed.seed, routed.fmax_mhz, routed.tried) == (1, CLOCK, 1)
    assert tool.began() == {1}
    assert (tool.out / "top.config").read_text() == "1\n"


def test_the_lowest_seed_that_meets_the_clock_is_kept_though_others_are_sooner_and_faster(tool):
    tool.seed(3, 85, "sleep 1")
    tool.seed(4, 90)
    tool.all_others(79)
    routed = tool.route()
    assert (routed.seed, routed.fmax_mhz, routed.report["fmax"]["clk"]["achieved"]) == (3, 85, 85)
    assert (tool.out / "top.config").read_text() == "3\n"
    assert not list(tool.out.glob("routed_*"))
    assert (tool.out / "nextpnr_2.log").exists()


def test_what_cannot_be_kept_any_more_is_stopped_and_no_other_begun(tool):
    tool.seed(1, 79)
    tool.seed(2, 80)
    tool.all_others(90, "exec sleep 60")
    begin = time.monotonic()
    assert tool.route().seed == 2
    assert time.monotonic() - begin < 30
    assert tool.began() <= {1, 2, 3, 4, 5}
    assert tool.none_lives()


def test_if_none_meets_the_clock_the_fastest_of_all_is_kept(tool):
    tool.seed(5, 79.5)
    tool.seed(7, 79.5)
    tool.all_others(75)
    routed = tool.route()
    assert (routed.seed, routed.fmax_mhz, routed.tried) == (5, 79.5, SEEDS)
    assert tool.began() == set(range(1, SEEDS + 1))
    assert (tool.out / "top.config").read_text() == "5\n"


def test_a_clock_out_of_reach_is_given_up_at_once(tool):
    tool.seed(1, CLOCK / REACH - 1)
    tool.all_others(90)
    routed = tool.route()
    assert (routed.seed, routed.tried) == (1, 1)
    assert tool.began() == {1}


@pytest.mark.parametrize("first", [75, 90], ids=["several", "the first"])
def test_an_interrupt_leaves_none_running(tool, first):
    tool.seed(1, first, "exec sleep 60" if first > CLOCK else "")
    tool.all_others(90, "exec sleep 60")

    def interrupt():
        while not tool.began() >= ({1} if first > CLOCK else {2, 3, 4, 5}):
            time.sleep(0.01)
        time.sleep(0.5)  # until who began it knows it, too
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    threading.Thread(target=interrupt).start()
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        tool.route()
    signal.signal(signal.SIGINT, before)
    assert time.monotonic() - begin < 30
    assert tool.none_lives()


def test_one_that_fails_ends_all(tool):
    tool.seed(1, 79)
    tool.seed(3, 90, "echo ERROR: out of luck; exit 1")
    tool.all_others(79, "exec sleep 60")
    begin = time.monotonic()
    with pytest.raises(ToolError, match="nextpnr-ecp5 failed with status 1: ERROR: out of luck"):
        tool.route()
    assert time.monotonic() - begin < 30
    assert tool.none_lives()


def test_nothing_of_a_build_before_is_left(tool):
    tool.seed(1, 90)
    for name in ("nextpnr_4.log", "routed_4.json", "placed_orders.csv", "routed_orders.csv"):
        (tool.out / name).touch()
    tool.route()
    assert (tool.out / "placed_orders.csv").exists()
    assert (tool.out / "routed_orders.csv").exists()
    assert not (tool.out / "nextpnr_4.log").exists()
    assert not (tool.out / "routed_4.json").exists()


@pytest.mark.parametrize(
    "placing",
    [
        "Info: Creating initial analytic placement for 16304 cells, random placement wirelen = 3385822.",
        "Info: Running Static placer...",
    ],
    ids=["heap", "static"],
)
def test_its_steps_are_told(tool, placing):
    lines = [
        "Info: Packing constants..",
        placing,
        "Info: Running simulated annealing placer for refinement.",
        "Info: Routing 5432 arcs.",
        "Info:       1000 |       24        975 |   24   975 |      4470|       0.10       0.10|",
        "Info:     iter=1 wires=11 overused=77 overuse=88 tmgfail=0 archfail=NA",
    ]
    tool.seed(1, 90, "\n".join(f"echo '{line}'" for line in lines))
    told = []
    tool.route(told.append)
    assert told == [
        "placing and routing: seed 1 packing cells",
        "placing and routing: seed 1 placing",
        "placing and routing: seed 1 refining the placement",
        "placing and routing: seed 1 routing",
        "placing and routing: seed 1 routing, 4470 arcs left",
        "placing and routing: seed 1 routing, 77 wires taken twice",
    ]
    assert (tool.out / "nextpnr_1.log").read_text().splitlines() == lines


def test_as_many_run_at_once_as_there_are_cores_and_memory_for(monkeypatch):
    monkeypatch.setattr(module.joblib, "cpu_count", lambda: 6)
    taken = {"kB": 1}
    monkeypatch.setattr(module.resource, "getrusage", lambda who: SimpleNamespace(ru_maxrss=taken["kB"]))
    assert module._at_once() == 6
    meminfo = Path("/proc/meminfo").read_text()
    taken["kB"] = int(meminfo.split("MemTotal:")[1].split()[0])
    assert module._at_once() == 1
