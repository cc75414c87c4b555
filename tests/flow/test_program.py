import json
import os

import pytest

from dnn2fpga.errors import Refusal
from dnn2fpga.flow import toolchain
from dnn2fpga.flow.program import flash


@pytest.fixture
def loader(tmp_path, monkeypatch):
    """A stand-in for openFPGALoader that notes how it was called, and ends with the status in `status`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    tool = folder / "openFPGALoader"
    tool.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/called\npwd >> {tmp_path}/called\n'
                    f"echo Error: no cable\nexit $(cat {tmp_path}/status)\n")  # fmt: skip
    tool.chmod(0o755)
    (tmp_path / "status").write_text("0")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("OPENFPGALOADER", raising=False)
    return tmp_path


def built(folder, **record):
    out = folder / "out"
    out.mkdir()
    record = {
        "board": "ulx3s_12f",
        "loader": ["-b", "ulx3s"],
        "loads_sram": True,
        "bitstream": "design.bit",
    } | record
    (out / "build.json").write_text(json.dumps(record))
    (out / "design.bit").write_bytes(b"bits")
    return out


@pytest.mark.parametrize(("persistent", "mode"), [(False, "-m"), (True, "-f")])
def test_calls_the_loader(loader, persistent, mode):
    out = built(loader)
    flash(out, persistent=persistent)
    assert (loader / "called").read_text().split("\n")[:2] == [f"-b ulx3s {mode} design.bit", str(out)]


def test_a_board_that_boots_from_flash_only(loader):
    out = built(loader, board="icebreaker", loads_sram=False, loader=["-b", "ice40_generic"])
    with pytest.raises(Refusal, match="icebreaker can only be loaded through its flash: give --persistent"):
        flash(out)
    assert not (loader / "called").exists()
    flash(out, persistent=True)
    assert (loader / "called").read_text().startswith("-b ice40_generic -f design.bit\n")


def test_refuses_an_unfinished_build(loader):
    with pytest.raises(Refusal, match="holds no finished build"):
        flash(loader / "nowhere")
    out = built(loader)
    (out / "design.bit").unlink()
    with pytest.raises(Refusal, match="holds a build without its bitstream"):
        flash(out)
    assert not (loader / "called").exists()


def test_says_what_the_loader_said(loader):
    (loader / "status").write_text("3")
    with pytest.raises(toolchain.ToolError, match="openFPGALoader failed with status 3: Error: no cable"):
        flash(built(loader))
