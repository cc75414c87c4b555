import re

import pytest
from amaranth import Elaboratable, Module
from dnn2fpga.platforms import BOARDS, find

from dnn2fpga.errors import Refusal
from dnn2fpga.flow.top import Top
from dnn2fpga.hw.stream import MasterSlave

every_board = pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))


class Nothing(Elaboratable):
    def elaborate(self, platform):
        return Module()


@every_board
def test_the_row_names_the_chip_that_amaranth_boards_builds_for(board):
    script = next(
        text for name, text in board.platform().prepare(Nothing(), "top").files.items() if name.endswith(".sh")
    )
    (nextpnr,) = re.findall(r"\$NEXTPNR.*", script.replace("\\\n", ""))
    assert " ".join(board.nextpnr) in " ".join(nextpnr.split())
    # A 5G differs from a U in its transceivers only, and has no row of its own.
    assert board.platform().device.replace("UM5G", "U") == board.device.name


@every_board
def test_the_board_has_the_clock_pins_and_baud_rate_that_the_row_says(board):
    top = Top(MasterSlave(8, 2), board, values_in=4, values_out=4, design_hash=b"1234")
    assert board.clock_mhz * 0.9 <= top.clock_mhz <= board.clock_mhz
    files = top.platform.prepare(top, "top").files
    constraints = next(text for name, text in files.items() if name.endswith((".lpf", ".pcf")))
    assert re.search(r"\brx", constraints) or "rx__io" in constraints
    assert "tx__io" in constraints


def test_find():
    assert find("ulx3s_85f").device.budget.dsps == 156
    with pytest.raises(Refusal, match=r"board 'arty' is not known: ulx3s_12f, ulx3s_25f, .*icebreaker.* are"):
        find("arty")
