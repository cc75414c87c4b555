"""Boards: `BOARDS` by name, one file a board."""

from dnn2fpga.errors import Refusal

from . import ecpix5, ice40_hx8k_b_evn, icebreaker, icepi_zero, ulx3s
from .board import Board

_FILES = (ulx3s, ecpix5, icepi_zero, icebreaker, ice40_hx8k_b_evn)

BOARDS = {board.name: board for file in _FILES for board in file.BOARDS}


def find(name: str) -> Board:
    """The board of that name. Raises `Refusal` for an unknown one."""
    if name not in BOARDS:
        raise Refusal(f"board '{name}' is not known: {', '.join(BOARDS)} are")
    return BOARDS[name]
