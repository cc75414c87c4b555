"""The simulators that a component can run on. All give the same words in the same cycles."""

from collections.abc import Mapping
from types import MappingProxyType

from .base import Engine, Part, Stalls, Trace
from .cxxrtl import Cxxrtl
from .icarus import Icarus
from .pysim import Pysim
from .verilator import Verilator

__all__ = ["ENGINES", "Engine", "Part", "Pysim", "Stalls", "Trace", "default_engine"]

ENGINES: Mapping[str, Engine] = MappingProxyType(
    {engine.name: engine for engine in (Pysim(), Cxxrtl(), Verilator(), Icarus())}
)


def default_engine() -> Engine:
    """CXXRTL where Yosys and a C++ compiler are installed, else Amaranth's own simulator."""
    cxxrtl = ENGINES["cxxrtl"]
    return ENGINES["pysim"] if cxxrtl.missing() else cxxrtl
