"""Loads a finished build into a board."""

from __future__ import annotations

from pathlib import Path

from ..errors import Refusal
from . import toolchain
from .build import read_record


def flash(out: Path, *, persistent: bool = False) -> None:
    """Load the build in the folder `out` into its board, by openFPGALoader: until power is cut, or into its
    flash.

    Raises `Refusal` if `out` holds no finished build, if openFPGALoader is not installed, or if the board
    can only be loaded by way of its flash and `persistent` is not set; `toolchain.ToolError` if the loading
    fails.
    """
    record = read_record(out)
    if not persistent and not record["loads_sram"]:
        raise Refusal(f"{record['board']} can only be loaded through its flash: give --persistent")
    mode = "-f" if persistent else "-m"
    command = [*toolchain.find("openFPGALoader"), *record["loader"], mode, record["bitstream"]]
    toolchain.run(command, out, "openFPGALoader")
