"""Icepi Zero by Cheng Yin: ECP5 25F, 50 MHz, FT231X on USB."""

from .board import LFE5U_25F, Board

BOARDS = (
    Board(
        name="icepi_zero",
        platform_class="amaranth_boards.icepi_zero:IcepiZero1_3Platform",
        device=LFE5U_25F,
        nextpnr=("--25k", "--package", "CABGA256", "--speed", "6"),
        clock_mhz=80,
        loader=("-b", "icepi-zero"),
    ),
)
