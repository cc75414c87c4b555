"""ECPIX-5 by LambdaConcept: ECP5-5G in two sizes, 100 MHz, FT2232H on USB."""

from .board import LFE5U_45F, LFE5U_85F, Board

BOARDS = tuple(
    Board(
        name=f"ecpix5_{size}f",
        platform_class=f"amaranth_boards.ecpix5:ECPIX5{size}Platform",
        device=device,  # the 5G has what the U has, and transceivers
        nextpnr=(f"--um5g-{size}k", "--package", "CABGA554", "--speed", "8"),
        clock_mhz=100,
        loader=("-b", "ecpix5"),
        led=None,
    )
    for size, device in {"45": LFE5U_45F, "85": LFE5U_85F}.items()
)
