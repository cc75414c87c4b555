"""Any function of one value, as the table that a file's own arithmetic gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .table import Table


@dataclass(frozen=True)
class Lookup(Table):
    """`table[q]`, worked out where the layer is made; there is none in floating point."""

    kind: ClassVar[str] = "lookup"
