"""ULX3S by Radiona: ECP5 in four sizes, 25 MHz, FT231X on USB."""

from .board import LFE5U_12F, LFE5U_25F, LFE5U_45F, LFE5U_85F, Board

_SIZES = {"12": LFE5U_12F, "25": LFE5U_25F, "45": LFE5U_45F, "85": LFE5U_85F}

BOARDS = tuple(
    Board(
        name=f"ulx3s_{size}f",
        platform_class=f"amaranth_boards.ulx3s:ULX3S_{size}F_Platform",
        device=device,
        nextpnr=(f"--{size}k", "--package", "CABGA381", "--speed", "6"),
        clock_mhz=80,
        loader=("-b", "ulx3s"),
    )
    for size, device in _SIZES.items()
)
