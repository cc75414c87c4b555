"""What the flow needs to know of a board."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from ..hw.resources import Device


@dataclass(frozen=True)
class Board:
    """One board.

    `platform_class` names its class in amaranth-boards, as `module:class`; `nextpnr` are the options by
    which the router knows the chip. A design runs at `clock_mhz`, made by the PLL where the board's own
    clock differs, and talks over the resource `uart` at `baud`. `loader` are openFPGALoader's options for
    the board; `loads_sram` is False where the chip can only be configured by way of its flash. `led` is a
    resource to show life with, or None.
    """

    name: str
    platform_class: str
    device: Device
    nextpnr: tuple[str, ...]
    clock_mhz: float
    loader: tuple[str, ...]
    baud: int = 1_000_000
    uart: str = "uart"
    led: str | None = "led"
    loads_sram: bool = True
    clock_on_pll_pad: bool = False
    """For iCE40: the board's clock enters by the PLL's own pin, so that nothing but the PLL sees it."""

    def platform(self) -> Any:
        """A fresh amaranth platform."""
        module, name = self.platform_class.split(":")
        return getattr(importlib.import_module(module), name)()
