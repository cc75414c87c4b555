"""CXXRTL: Yosys turns the component into C++, the compiler into a library, and its clock runs in there."""

import ctypes
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from amaranth.lib import wiring

from ...errors import Refusal
from .. import toolchain
from ..netlist import rtlil
from .base import Bench, Engine, Moves
from .cache import cached

_DRIVER = Path(__file__).with_name("cxxrtl_driver.cc")
# -fno-expensive-optimizations: without it GCC 12 loses bits when it merges the bytes of wide words (its pass
# "bswap"); tests/hw/test_window.py has a window that came out wrong. No -march=native, which would gain a tenth:
# unlike machines may share the home folder with the cache.
_FLAGS = ("-std=c++14", "-O2", "-fno-expensive-optimizations", "-fPIC", "-shared", "-fvisibility=hidden")
# A lane cut out of a wide word costs time in proportion to the word. So wide registers and wires are split into the
# pieces that are really used: whole, they slowed the seed network down several times. -g0 leaves out the tables for
# debuggers.
# Arithmetic in floating point stays apart, by the names of its modules: melted into one function with everything else,
# a few such pipelines grew to more C++ than the compiler got through in a quarter of an hour.
_YOSYS = """
read_rtlil netlist.il
hierarchy -top top
setattr -mod -set keep_hierarchy 1 *.float_*
flatten
proc
opt_expr
opt_clean
splitcells
splitnets -driver
opt_clean
write_cxxrtl -noflatten -noproc -O6 -g0 netlist.cc
"""
_REGISTER = re.compile(r"^\twire<(\d+)> (?P<name>\w+);\n", re.MULTILINE)
_RUNNING = 0


class _Bench(ctypes.Structure):
    """`Bench` of the driver."""

    _fields_ = [
        ("words", ctypes.c_void_p),
        ("count_in", ctypes.c_uint64),
        ("count_out", ctypes.c_uint64),
        ("source_stalls", ctypes.c_uint64),
        ("sink_stalls", ctypes.c_uint64),
        ("patience", ctypes.c_uint64),
        ("came", ctypes.c_void_p),
        ("taken", ctypes.c_void_p),
        ("given", ctypes.c_void_p),
        ("taken_count", ctypes.c_uint64),
        ("given_count", ctypes.c_uint64),
        ("cycle", ctypes.c_uint64),
        ("moved", ctypes.c_uint64),
        ("draw", ctypes.c_uint32),
        ("valid", ctypes.c_uint32),
    ]


class Cxxrtl(Engine):
    """The fastest engine for a long run. A component once compiled is kept in the user's cache folder."""

    name = "cxxrtl"

    def missing(self) -> str | None:
        """Yosys with its C++ headers, or a C++ compiler."""
        try:
            toolchain.cxxrtl_include()
            toolchain.find("c++")
        except Refusal as refusal:
            return str(refusal)
        return None

    @contextmanager
    def _compiled(self, component: wiring.Component) -> Iterator[Callable[[Bench], Moves]]:
        library = ctypes.CDLL(str(compiled(rtlil(component, "top"))))  # whose calls let other threads run
        library.component_new.restype = ctypes.c_void_p
        library.component_delete.argtypes = [ctypes.c_void_p]
        library.component_run.argtypes = [ctypes.c_void_p, ctypes.POINTER(_Bench), ctypes.c_uint64]
        yield partial(_drive, library)


def _drive(library: ctypes.CDLL, bench: Bench) -> Moves:
    words = np.ascontiguousarray(bench.words)
    came = np.zeros((bench.count_out, bench.chunks_out), np.uint32)
    taken = np.zeros(bench.count_in, np.int64)
    given = np.zeros(bench.count_out, np.int64)
    source_stalls, sink_stalls = bench.stalls.thresholds
    state = _Bench(
        words=words.ctypes.data,
        count_in=bench.count_in,
        count_out=bench.count_out,
        source_stalls=source_stalls,
        sink_stalls=sink_stalls,
        patience=bench.patience,
        came=came.ctypes.data,
        taken=taken.ctypes.data,
        given=given.ctypes.data,
        draw=bench.stalls.seed,
    )
    top = library.component_new()
    try:
        cycles = 1000
        while True:
            start = time.monotonic()
            if library.component_run(top, ctypes.byref(state), cycles) != _RUNNING:
                break
            bench.check()
            bench.progress(state.given_count)
            if time.monotonic() - start < 0.1:  # seconds: a call costs nothing, and can be interrupted
                cycles *= 2
    finally:
        library.component_delete(top)
    return came[: state.given_count], taken[: state.taken_count], given[: state.given_count]


def compiled(netlist: str) -> Path:
    """The shared library of an RTLIL netlist whose top module is `top`."""
    compiler = toolchain.find("c++")
    version = toolchain.run([*compiler, "--version"], Path.cwd(), compiler[0])

    def compile_in(folder: Path) -> Path:
        (folder / "netlist.il").write_text(netlist, encoding="utf-8")
        toolchain.run_yosys(_YOSYS, folder)
        code = folder / "netlist.cc"
        options = [*_FLAGS, f"-I{folder}", f"-I{toolchain.cxxrtl_include()}"]
        if _takes_one_pass(text := code.read_text(encoding="utf-8")):
            options.append("-DONE_PASS")
            code.write_text(_in_two_blocks(text), encoding="utf-8")
        toolchain.run([*compiler, *options, str(_DRIVER), "-o", "top.so"], folder, compiler[0])
        return folder / "top.so"

    texts = [path.read_text(encoding="utf-8") for path in (_DRIVER, Path(__file__))]
    return cached([netlist, *texts, *compiler, version], compile_in)


def _takes_one_pass(code: str) -> bool:
    """Whether one evaluation of a netlist in C++ brings it to rest: no submodules, and no way round in the logic."""
    alone = code.count(" : public module {") == 1 and "prev_p_clk" in code
    return alone and code.count("converged") == 2  # where it begins as true, and the answer


def _in_two_blocks(code: str) -> str:
    """The same netlist, its registers' values in one block of memory and those that come next in another.

    So all are copied at once, where CXXRTL goes from register to register and compares.
    """
    shapes = {name: f"value<{width}>" for width, name in _REGISTER.findall(code)}

    def of_registers(pattern: str, instead: str) -> None:
        nonlocal code
        of_one = re.compile(pattern, re.MULTILINE)
        code = of_one.sub(lambda m: m.expand(instead) if m["name"] in shapes else m[0], code)

    code = _REGISTER.sub("", code)
    of_registers(r"^\t\tif \((?P<name>\w+)\.commit\(observer\)\) changed = true;\n", "")
    of_registers(r"^\t(?P<name>\w+) = wire<(\d+)>\{", r"\tcurr.\1 = next.\1 = value<\2>{")
    of_registers(r"\b(?P<name>\w+)\.(curr|next)\b", r"\2.\1")
    block = "".join(f"\t\t{shape} {name};\n" for name, shape in shapes.items())
    code = code.replace(" : public module {\n", f" : public module {{\n\tstruct {{\n{block}\t}} curr, next;\n", 1)
    return code.replace("\t\tbool changed = false;\n", "\t\tbool changed = false;\n\t\tcurr = next;\n", 1)
