"""iCEBreaker by 1BitSquared: iCE40 UP5K, 12 MHz, FT2232H on USB."""

from .board import UP5K, Board

BOARDS = (
    Board(
        name="icebreaker",
        platform_class="amaranth_boards.icebreaker:ICEBreakerPlatform",
        device=UP5K,
        nextpnr=("--up5k", "--package", "sg48"),
        clock_mhz=24,
        loader=("-b", "ice40_generic"),
        loads_sram=False,  # openFPGALoader reaches only the flash on its SPI bus
        clock_on_pll_pad=True,
    ),
)
