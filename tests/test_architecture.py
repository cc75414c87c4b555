"""Which room may import which, read from the sources themselves: one direction, no way back."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
FOLDERS = {"dnn2fpga": REPOSITORY / "dnn2fpga", "dnn2fpga.platforms": REPOSITORY / "platforms"}

MAY_IMPORT = {
    "model": {"errors"},
    "quant": {"model", "errors"},
    "hw": {"quant", "model", "errors"},
    "flow": {"hw", "quant", "model", "errors"},
    "platforms": {"flow", "hw", "errors"},
}
"""For each room, what of the package it may import beside itself. Modules in no room may import all."""

FRAMEWORKS = {"tensorflow", "keras"}
FRONT_ENDS = {"dnn2fpga.model.frameworks"}
"""The module that may import a framework."""


def modules() -> Iterator[tuple[str, Path]]:
    """Every module by its full name, a package under the name `package.__init__`."""
    for package, folder in FOLDERS.items():
        for path in sorted(folder.rglob("*.py")):
            yield ".".join([package, *path.relative_to(folder).with_suffix("").parts]), path


def imported(module: str, source: str) -> Iterator[str]:
    """The full names of all that `source`, the text of `module`, imports at any place in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def complaints(module: str, source: str) -> list[str]:
    """What `module` imports and must not."""
    room = module.split(".")[1]
    allowed = MAY_IMPORT[room] | {room} if room in MAY_IMPORT else None
    found = []
    for name in imported(module, source):
        top, *rest = name.split(".")
        if top == "dnn2fpga" and allowed is not None and (not rest or rest[0] not in allowed):
            found.append(f"{module} imports {name}")
        if top in FRAMEWORKS and module not in FRONT_ENDS:
            found.append(f"{module} imports {name}")
    return found


def test_the_sources_are_found():
    names = {name for name, _ in modules()}
    assert {"dnn2fpga.__init__", "dnn2fpga.hw.plan", "dnn2fpga.platforms.ulx3s"} <= names
    assert {name.split(".")[1] for name in names} >= set(MAY_IMPORT)


def test_no_module_imports_what_its_room_must_not():
    assert [said for module, path in modules() for said in complaints(module, path.read_text("utf-8"))] == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("dnn2fpga.model.graph", "from ..quant.graph import QGraph"),
        ("dnn2fpga.quant.ops.dense", "from ...hw import dense"),
        ("dnn2fpga.quant.ops.dense", "from ... import hw"),
        ("dnn2fpga.hw.__init__", "from ..flow.simulate import simulate"),
        ("dnn2fpga.hw.plan", "def f():\n    from ..kinds import KINDS"),
        ("dnn2fpga.flow.build", "from dnn2fpga import platforms"),
        ("dnn2fpga.flow.simulate", "from ..kinds import FOLDINGS"),
        ("dnn2fpga.flow.simulate", "from .. import Design"),
        ("dnn2fpga.flow.simulate", "import dnn2fpga"),
        ("dnn2fpga.platforms.ulx3s", "from dnn2fpga.quant.graph import QGraph"),
        ("dnn2fpga.quant.quantize", "import tensorflow as tf"),
        ("dnn2fpga.commands", "from keras.models import load_model"),
    ],
)
def test_a_wrong_import_is_seen(module, source):
    [complaint] = complaints(module, source)
    assert complaint.startswith(f"{module} imports ")


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("dnn2fpga.model.frameworks", "import keras"),
        ("dnn2fpga.quant.ops.dense", "from ...model.graph import Node"),
        ("dnn2fpga.flow.engines.__init__", "from .base import Engine"),
        ("dnn2fpga.platforms.__init__", "from . import ulx3s\nfrom dnn2fpga.errors import Refusal"),
        ("dnn2fpga.design", "from .kinds import FOLDINGS\nfrom . import platforms"),
        ("dnn2fpga.hw.plan", "import numpy"),
    ],
)
def test_a_right_import_is_not(module, source):
    assert complaints(module, source) == []
