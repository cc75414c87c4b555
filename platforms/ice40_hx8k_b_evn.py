"""iCE40-HX8K Breakout Board by Lattice: 12 MHz, FT2232H on USB. It has no multipliers."""

from .board import HX8K, Board

BOARDS = (
    Board(
        name="ice40_hx8k_b_evn",
        platform_class="amaranth_boards.ice40_hx8k_b_evn:ICE40HX8KBEVNPlatform",
        device=HX8K,
        nextpnr=("--hx8k", "--package", "ct256"),
        clock_mhz=36,
        loader=("-b", "ice40_generic"),
        loads_sram=False,  # openFPGALoader reaches only the flash on its SPI bus
    ),
)
