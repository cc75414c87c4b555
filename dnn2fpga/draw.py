"""A plan as a picture in SVG: layers as boxes, streams as arrows, from the input at the top to the output."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import pairwise
from xml.sax.saxutils import escape, quoteattr

from .hw.join import JoinFolding
from .hw.plan import LayerPlan, Plan
from .model.graph import INPUT
from .rows import Passing, Place, Rows, arrange
from .show import bits

OUTPUT = "/output"
ENDS = {INPUT: "input", OUTPUT: "output"}
"""What stands at the ends; no layer has a name with a slash."""

STYLE = """\
text { font: 12px Helvetica, Arial, sans-serif; fill: #24292f }
.title { font-size: 17px; font-weight: bold }
.name { font-size: 14px; font-weight: bold }
.dim { fill: #57606a }
.box { fill: #f6f8fa; stroke: #8c959f }
.bottleneck .box { fill: #fff1e5; stroke: #bc4c00; stroke-width: 2 }
.mark { fill: #bc4c00; font-weight: bold }
.track { fill: #d0d7de }
.bar { fill: #54aeff }
.bottleneck .bar { fill: #e16f24 }
.end { fill: #ffffff; stroke: #8c959f }
.line { fill: none; stroke: #57606a; stroke-width: 1.5 }
.head { fill: #57606a }
.under { fill: #ffffff }
"""

MARGIN = 24
TITLE = 74
"""Height of what stands above the picture."""
WIDTH, HEIGHT = 300, 92
"""Of a layer's box; a long name or many inputs make it wider."""
END_WIDTH, END_HEIGHT = 120, 30
PAD = 12
BESIDE = 32
"""Between two boxes of a row."""
PASSING = 28
"""What a line takes up where it passes a row."""
PORT = 112
"""Between two arrows that enter one box: the words beside them fit there."""
ABOVE, BENT = 36, 78
"""From a row to the one above it: where lines go straight down, and where they bend; the latter has room for queues."""
SHAFT, LINE = 24, 14
"""The straight end of an arrow beside which one line of text stands, and what each further line adds."""
LETTER, BOLD = 7.0, 9.8
"""The most that letters of 12 pixels, and bold ones of 14, take up in the usual fonts, on average."""


def draw(plan: Plan) -> str:
    """The text of an SVG file. Bars show cycles an image, relative to the slowest layer, which is marked."""
    return "\n".join(_Picture(plan).lines()) + "\n"


class _Picture:
    """One plan, laid out."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.slowest = max(layer.cycles for layer in plan.layers)
        self.readers: dict[str, tuple[tuple[str, JoinFolding], ...]] = {
            layer.node.name: tuple(zip(layer.sources, layer.joins, strict=True)) for layer in plan.layers
        }
        self.readers[OUTPUT] = ((plan.layers[-1].node.name, plan.end),)
        self.widths = {name: float(END_WIDTH) for name in ENDS}
        said = [max(LETTER * max(map(len, _facts(layer))), BOLD * len(layer.node.name)) for layer in plan.layers]
        self.width = max(WIDTH, 2 * PAD + max(said))  # the same for all, so that bars compare
        for layer in plan.layers:
            self.widths[layer.node.name] = max(self.width, PORT * len(layer.joins))
        reads = {INPUT: (), **{name: [source for source, _ in joins] for name, joins in self.readers.items()}}
        boxes = {name: width + BESIDE for name, width in self.widths.items()}
        self.places: Rows = arrange(reads, boxes, PASSING)
        self.bent = set(self._bent())
        self.tops = list(self._tops())

    def _tops(self) -> Iterator[float]:
        """The upper edge of each row."""
        y = float(MARGIN + TITLE)
        for at, row in enumerate(self.places.rows):
            if at:
                y += self._height(at - 1) + (BENT if at in self.bent else ABOVE + LINE * self._has_queue(row))
            yield y

    def _height(self, row: int) -> float:
        return END_HEIGHT if any(end in self.places.rows[row] for end in ENDS) else HEIGHT

    def _bent(self) -> Iterator[int]:
        """Rows into which a line does not go straight down."""
        x = self.places.x
        for reader, joins in self.readers.items():
            if len(joins) > 1:
                yield self.places.row_of(reader)
            for port, (source, _) in enumerate(joins):
                first = self.places.row_of(source) + 1
                for row, (above, place) in enumerate(pairwise(self.places.way(source, reader, port)), first):
                    if abs(x[above] - x[place]) >= 1:
                        yield row

    def _has_queue(self, row: tuple[Place, ...]) -> bool:
        """Whether a line into this row has two lines of text."""
        return any(join.depth for place in row if isinstance(place, str) for _, join in self.readers.get(place, ()))

    def lines(self) -> Iterator[str]:
        """The file, line by line."""
        x = self.places.x
        left = min(x[name] - width / 2 for name, width in self.widths.items())
        right = max(x[name] + width / 2 for name, width in self.widths.items())
        left, right = min([left, *x.values()]) - MARGIN, max([right, *x.values()]) + MARGIN
        title = list(self._title())
        right = max(right, left + 2 * MARGIN + LETTER * max(map(len, title)))
        bottom = self.tops[-1] + END_HEIGHT + MARGIN
        size = f'width="{right - left:.0f}" height="{bottom:.0f}"'
        yield f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="{left:.0f} 0 {right - left:.0f} {bottom:.0f}">'
        yield f"<style>\n{STYLE}</style>"
        yield _rect(left, 0, right - left, bottom, "under", 0)
        for at, line in enumerate(title):
            yield _text(left + MARGIN, MARGIN + 14 + 20 * at, line, "dim" if at else "title")
        for reader, joins in self.readers.items():
            yield from self._arrows(reader, joins)
        for name, said in ENDS.items():
            yield from self._end(name, said)
        for layer in self.plan.layers:
            yield from self._box(layer)
        yield "</svg>"

    def _title(self) -> Iterator[str]:
        plan = self.plan
        yield plan.name
        yield (
            f"{plan.device.name} at {plan.clock_mhz:g} MHz: {plan.images_per_second:,.0f} images/s, "
            f"{plan.cycles_per_image:,} cycles an image, latency {plan.latency_cycles:,} cycles"
        )
        taken, there = asdict(plan.resources), asdict(plan.device.budget)
        yield ", ".join(f"{taken[part]:,} of {there[part]:,} {part[:-1].upper()}s" for part in taken)

    def _end(self, name: str, said: str) -> Iterator[str]:
        """The model's input or output."""
        x, y = self.places.x[name], self.tops[self.places.row_of(name)]
        yield _rect(x - END_WIDTH / 2, y, END_WIDTH, END_HEIGHT, "end", END_HEIGHT / 2)
        shapes = [layer.node.input_shape for layer in self.plan.layers if INPUT in layer.sources]
        shape = _times(shapes[0] if name == INPUT else self.plan.layers[-1].node.output_shape)
        yield _text(x, y + 19, f"{said} {shape}", anchor="middle")

    def _box(self, layer: LayerPlan) -> Iterator[str]:
        """One layer."""
        name = layer.node.name
        width, is_slowest = self.widths[name], layer.cycles == self.slowest
        x, y = self.places.x[name] - width / 2, self.tops[self.places.row_of(name)]
        inner = self.width - 2 * PAD
        yield '<g class="layer bottleneck">' if is_slowest else '<g class="layer">'
        yield _rect(x, y, width, HEIGHT, "box", 6)
        yield _text(x + PAD, y + 20, name, "name")
        shape, sizes = _facts(layer)
        yield _text(x + PAD, y + 37, shape)
        yield _rect(x + PAD, y + 44, inner, 5, "track", 2)
        yield _rect(x + PAD, y + 44, max(2.0, inner * layer.cycles / self.slowest), 5, "bar", 2)
        yield _text(x + PAD, y + 64, f"{layer.cycles:,} cycles an image")
        if is_slowest:
            yield _text(x + width - PAD, y + 64, "bottleneck", "mark", "end")
        yield _text(x + PAD, y + 81, sizes or "nothing to store", "dim")
        yield "</g>"

    def _arrows(self, reader: str, joins: tuple[tuple[str, JoinFolding], ...]) -> Iterator[str]:
        """The lines into one box, each with lanes and bits, and its queue."""
        ways = [self.places.way(source, reader, port) for port, (source, _) in enumerate(joins)]
        from_left = sorted(range(len(joins)), key=lambda port: self.places.x[ways[port][-2]])
        for at, port in enumerate(from_left):
            join = joins[port][1]
            x = self.places.x[reader] + PORT * (at - (len(joins) - 1) / 2)
            y = self.tops[self.places.row_of(reader)]
            said = [f"{join.i_lanes} × {join.shape.width} bits"]
            if join.depth:
                said.append(f"queue of {join.depth:,}")
            shaft = SHAFT + LINE * (len(joins) > 1 or len(said) > 1)
            yield f'<path class="line" d="{self._path(ways[port], x, y - shaft)} V {y - 6:.1f}"/>'
            yield f'<path class="head" d="M {x:.1f} {y:.1f} l -4 -8 h 8 z"/>'
            for row, line in enumerate(said):
                top = y - 9 - LINE * (len(said) - 1 - row)
                yield _rect(x + 5, top - 11, LETTER * len(line), LINE, "under", 0)
                yield _text(x + 7, top, line, "dim")

    def _path(self, way: list[Place], x: float, y: float) -> str:
        """From the first place down past all between, to the point (x, y) above the last."""
        row = self.places.row_of(str(way[0]))
        at_x, at_y = self.places.x[way[0]], self.tops[row] + self._height(row)
        path = [f"M {at_x:.1f} {at_y:.1f}"]
        for place in way[1:-1]:
            assert isinstance(place, Passing)
            top = self.tops[place.row]
            path.append(f"{_bend(at_x, at_y, self.places.x[place], top)} v {self._height(place.row):.1f}")
            at_x, at_y = self.places.x[place], top + self._height(place.row)
        return " ".join([*path, _bend(at_x, at_y, x, y)])


def _facts(layer: LayerPlan) -> tuple[str, str]:
    """What a layer is, and what it takes; nothing is said of what it takes none of."""
    folding, taken = layer.folding, layer.taken
    counts = {"multiplier": folding.multipliers, "DSP": taken.dsps, "BRAM": taken.brams}
    sizes = [f"{count:,} {what}{'s' * (count > 1)}" for what, count in counts.items() if count]
    sizes += [bits(folding.memory_bits)] if folding.memory_bits else []
    shape, lanes = _times(layer.node.output_shape), f"{folding.i_lanes} → {folding.o_lanes} lanes"
    return f"{layer.node.spec.kind}, gives {shape}, {lanes}", ", ".join(sizes)


def _bend(x: float, y: float, to_x: float, to_y: float) -> str:
    """A line that leaves and arrives going down."""
    middle = (y + to_y) / 2
    return f"C {x:.1f} {middle:.1f} {to_x:.1f} {middle:.1f} {to_x:.1f} {to_y:.1f}"


def _rect(x: float, y: float, width: float, height: float, style: str, radius: float) -> str:
    size = f'width="{width:.1f}" height="{height:.1f}" rx="{radius:g}"'
    return f'<rect class="{style}" x="{x:.1f}" y="{y:.1f}" {size}/>'


def _text(x: float, y: float, said: str, style: str = "", anchor: str = "start") -> str:
    """Text, with what XML forbids in it replaced."""
    legal = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in said)
    attributes = f"class={quoteattr(style)} " if style else ""
    return f'<text {attributes}x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(legal)}</text>'


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
