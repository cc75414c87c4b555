"""Where the parts of a drawn graph stand: in rows, each below all that it reads, branches side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

SWEEPS = 40
"""Times that all rows are drawn toward their neighbors, down and up: pictures no longer change after fewer."""


@dataclass(frozen=True)
class Passing:
    """Where the line into input `port` of `reader` passes a row on its way."""

    reader: str
    port: int
    row: int


Place = str | Passing
Edges = Mapping[str, Sequence[str]]
"""For each part the parts that it reads, in the order in which they are drawn; what reads nothing is there too."""


@dataclass(frozen=True)
class Rows:
    """What stands in each row, from left to right, and the middle of each place."""

    rows: tuple[tuple[Place, ...], ...]
    x: Mapping[Place, float]

    def row_of(self, part: str) -> int:
        """The row in which a part stands."""
        return next(at for at, row in enumerate(self.rows) if part in row)

    def way(self, source: str, reader: str, port: int) -> list[Place]:
        """The places of the line from `source` to input `port` of `reader`, both ends included."""
        between = range(self.row_of(source) + 1, self.row_of(reader))
        return [source, *(Passing(reader, port, row) for row in between), reader]


def arrange(reads: Edges, widths: Mapping[str, float], passing: float) -> Rows:
    """Parts of these widths, and lines that take up `passing` where they pass a row, so that nothing overlaps.

    Each part stands in the row below the last that it reads (longest paths). Rows are ordered by the mean place of
    what stands above, and spaced by least squares, each place being drawn to the mean of its neighbors (the method of
    Sugiyama, Tagawa and Toda 1981, with isotonic regression for the spacing).
    """
    depth: dict[str, int] = {}
    for part, sources in reads.items():
        depth[part] = 1 + max((depth[source] for source in sources), default=-1)
    rows: list[list[Place]] = [[] for _ in range(max(depth.values()) + 1)]
    above: dict[Place, list[Place]] = {}
    below: dict[Place, list[Place]] = {}
    for part, sources in reads.items():
        rows[depth[part]].append(part)
        above.setdefault(part, [])
        for port, source in enumerate(sources):
            way: list[Place] = [Passing(part, port, row) for row in range(depth[source] + 1, depth[part])]
            for place in way:
                assert isinstance(place, Passing)
                rows[place.row].append(place)
            for upper, lower in pairwise([source, *way, part]):
                above.setdefault(lower, []).append(upper)
                below.setdefault(upper, []).append(lower)

    def width(place: Place) -> float:
        return passing if isinstance(place, Passing) else widths[place]

    x: dict[Place, float] = {}
    for row in rows:
        wanted = {place: _mean([x[upper] for upper in above[place]]) for place in row}
        row.sort(key=lambda place: (wanted[place], isinstance(place, Passing)))
        x.update(zip(row, _spaced([wanted[place] for place in row], [width(place) for place in row]), strict=True))
    for _ in range(SWEEPS):
        for neighbors, order in ((below, rows[::-1]), (above, rows)):
            for row in order:
                aims = [_mean([x[other] for other in neighbors.get(place, ())] or [x[place]]) for place in row]
                x.update(zip(row, _spaced(aims, [width(place) for place in row]), strict=True))
    return Rows(tuple(map(tuple, rows)), x)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _spaced(wanted: Sequence[float], widths: Sequence[float]) -> list[float]:
    """Middles as near to those `wanted`, by least squares, as parts of these widths can stand in this order."""
    starts = [0.0]  # how far right of the first each stands if they touch
    for left, right in pairwise(widths):
        starts.append(starts[-1] + (left + right) / 2)
    blocks: list[tuple[float, int]] = []  # those that touch: where the first stands, and how many there are
    for aim, start in zip(wanted, starts, strict=True):
        mean, count = aim - start, 1
        while blocks and blocks[-1][0] > mean:
            other, others = blocks.pop()
            mean, count = (mean * count + other * others) / (count + others), count + others
        blocks.append((mean, count))
    places = [mean for mean, count in blocks for _ in range(count)]
    return [place + start for place, start in zip(places, starts, strict=True)]
