"""What the plan, the pipeline and the tests ask of every layer in hardware."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from amaranth import Shape
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .resources import Device, Resources
from .stream import lanes
from .timing import Buffer, Process


class NoMultipliers:
    """What a folding without multipliers answers when asked about them."""

    multipliers = 0

    def with_fewer_dsps(self, excess: int) -> Iterator[Folding]:
        """There are none."""
        return iter(())


@dataclass(frozen=True)
class Port:
    """An input of a layer: the shape of its values, and how many a word holds."""

    shape: Shape
    lanes: int


class Folding(Protocol):
    """A layer with its folding chosen: pure data, cheap to make by the hundred; `build` makes the hardware.

    `i` and `o` are the shapes of its values, `i_lanes` and `o_lanes` how many a word holds. A layer that reads several
    others has `ports` beside them, an input stream `i0`, `i1`, … each; one of whose products two may share a multiplier
    has `with_pairs(device)`, which gives it so. One whose `resources` take seconds to work out has `at_least(device)`,
    a lower bound.
    """

    @property
    def i(self) -> Shape:
        """Shape of an input value."""

    @property
    def o(self) -> Shape:
        """Shape of an output value."""

    @property
    def i_lanes(self) -> int:
        """Values a word in."""

    @property
    def o_lanes(self) -> int:
        """Values a word out."""

    @property
    def least_cycles(self) -> int:
        """Clock cycles an image at least: what the search for lanes compares."""

    @property
    def multipliers(self) -> int:
        """Multipliers in its array, those of the requantizer apart."""

    @property
    def memory_bits(self) -> int:
        """Bits of constants and line buffers."""

    def resources(self, device: Device) -> Resources:
        """What it takes of a chip, estimated."""

    def timing(self) -> Iterator[Process | Buffer]:
        """Its timed twin, stage by stage."""

    def build(self) -> wiring.Component:
        """The component, with streams `i` (or `i0`, `i1`, …) and `o`."""

    def with_fewer_dsps(self, excess: int) -> Iterator[Folding]:
        """The same folding with some multipliers made of LUTs: no more of one sort than make up for `excess`."""


def variants(folding: Folding, device: Device) -> Iterator[Folding]:
    """A folding as it is, and as `with_pairs` has it, if it has such: with fewer of `device`'s multipliers."""
    yield folding
    yield from getattr(folding, "with_pairs", lambda device: ())(device)


def lower_bound(folding: Folding, device: Device) -> Resources | None:
    """Less than it takes of a chip, where `resources` takes long and the folding knows as much; else None."""
    return getattr(folding, "at_least", lambda device: None)(device)


def ports_of(folding: Folding) -> tuple[Port, ...]:
    """Every input."""
    return getattr(folding, "ports", None) or (Port(folding.i, folding.i_lanes),)


def divisors(n: int) -> list[int]:
    """What divides `n`: as many lanes make whole words of `n` values."""
    return [divisor for divisor in range(1, n + 1) if n % divisor == 0]


def input_name(port: int, ports: int) -> str:
    """What a component of so many inputs calls one of them."""
    return "i" if ports == 1 else f"i{port}"


FoldingT = TypeVar("FoldingT", bound=Folding)


class LayerComponent(wiring.Component, Generic[FoldingT]):
    """What a folding builds: an input stream for each of its ports, as `input_name` calls them, and the output `o`."""

    def __init__(self, folding: FoldingT) -> None:
        self.folding = folding
        ports = ports_of(folding)
        inputs = {input_name(at, len(ports)): In(lanes(port.shape, port.lanes)) for at, port in enumerate(ports)}
        super().__init__({**inputs, "o": Out(lanes(folding.o, folding.o_lanes))})
