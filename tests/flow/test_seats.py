"""Multipliers of a placed design, seated anew; nextpnr is the real one."""

import json
import subprocess

import pytest
from amaranth import Fragment, Module, Signal
from amaranth.back import rtlil
from dnn2fpga.platforms import find

from dnn2fpga.flow import seats, toolchain
from dnn2fpga.flow.longest import Places
from dnn2fpga.flow.placed import promised
from dnn2fpga.flow.seats import MULTIPLIER, seat
from dnn2fpga.hw.primitives.multiplier import Multiplier


@pytest.fixture(scope="module")
def placed(tmp_path_factory):
    """The file of a placed design with three multipliers, and what nextpnr expects of its clock, by its net."""
    folder, board = tmp_path_factory.mktemp("placed"), find("ulx3s_12f")
    m, x = Module(), Signal(8)
    outputs = [Signal(16, name=f"y{at}") for at in range(3)]
    for at, y in enumerate(outputs):
        m.submodules[f"product{at}"] = product = Multiplier(8, 8)
        m.d.sync += [product.a.eq(x), product.b.eq(product.a), y.eq(product.p)]
    (folder / "top.il").write_text(rtlil.convert(Fragment.get(m, board.platform()), ports=[x, *outputs]))
    toolchain.run_yosys("read_rtlil top.il\nsynth_ecp5 -nodsp -top top\nwrite_json top.json\n", folder)
    command = [*toolchain.find("nextpnr-ecp5"), *board.nextpnr, "--json", "top.json", "--lpf-allow-unconstrained"]
    options = ["--no-route", "--placer", "heap", "--write", "placed_1.json", "--timing-allow-fail"]
    log = subprocess.run([*command, *options], cwd=folder, capture_output=True, text=True, check=True).stderr
    return folder / "placed_1.json", {net: gives for net, (gives, _) in promised(log.splitlines()).items()}


def module_of(path):
    (module,) = json.loads(path.read_text())["modules"].values()
    return module


def seats_of(module):
    return [cell["attributes"]["NEXTPNR_BEL"] for cell in module["cells"].values() if cell["type"] == MULTIPLIER]


def test_the_longest_path_is_about_what_nextpnr_says(placed):
    path, clocks = placed
    module = module_of(path)
    ((net, mhz),) = clocks.items()
    longest = Places(module).longest_ps(module["netnames"][net]["bits"][0])
    assert 0.9 < longest * mhz / 1e6 < 1.1


def test_multipliers_that_stand_far_off_come_back(placed, tmp_path):
    path, clocks = placed
    near = seats_of(module_of(path))
    module = module_of(path)
    far = [cell for cell in module["cells"].values() if cell["type"] == MULTIPLIER]
    for cell, bel in zip(far, ["X4/Y22/MULT18_0", *near[:2]], strict=True):
        cell["attributes"]["NEXTPNR_BEL"] = bel
    (tmp_path / "far.json").write_text(json.dumps({"modules": {"top": module}}))
    ((net, mhz),) = seat(tmp_path / "far.json", clocks).items()
    assert mhz > 1.2 * clocks[net]
    seats = seats_of(module_of(tmp_path / "far.json"))
    assert len(set(seats)) == 3
    assert "X4/Y22/MULT18_0" not in seats


def test_seats_that_are_best_are_kept(placed, tmp_path):
    path = tmp_path / "best.json"
    path.write_text(placed[0].read_text())
    assert seat(path, placed[1]) == pytest.approx(placed[1])
    assert seats_of(module_of(path)) == seats_of(module_of(placed[0]))


def test_seats_that_make_a_clock_slower_are_not_taken(placed, tmp_path, monkeypatch):
    monkeypatch.setattr(seats, "_costs", lambda places, cell, seats: [float(x) for x, _, _ in seats])
    module = module_of(placed[0])
    for cell in module["cells"].values():
        if cell["attributes"].get("NEXTPNR_BEL") == seats_of(module)[0]:
            cell["attributes"]["NEXTPNR_BEL"] = "X4/Y22/MULT18_0"  # brings the seats of another group into play
            break
    path = tmp_path / "slower.json"
    path.write_text(text := json.dumps({"modules": {"top": module}}))
    assert seat(path, placed[1]) == placed[1]
    assert path.read_text() == text


def test_a_design_without_multipliers_stays_as_it_is(placed, tmp_path):
    module = module_of(placed[0])
    module["cells"] = {name: cell for name, cell in module["cells"].items() if cell["type"] != MULTIPLIER}
    path = tmp_path / "none.json"
    path.write_text(text := json.dumps({"modules": {"top": module}}))
    assert seat(path, placed[1]) == placed[1]
    assert path.read_text() == text
