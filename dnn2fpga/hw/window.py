"""The sliding window: an image streams in, pixel by pixel, and every window of it streams out."""

from typing import NamedTuple

from amaranth import C, Cat, Module, Mux, Shape, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..quant.ops.window import Placement
from . import buffer
from .resources import Device, Resources
from .stream import lanes
from .timing import Peek, Pop, Process, Put

LATE = 4
"""Cycles by which the payload of a late window follows its handshake."""


class SlidingWindow(wiring.Component):
    """All windows of an image, in raster order, from pixels of `turns` words each.

    `placement` says where windows lie, padding included; padding reads as `pad`. Turn by turn a window is as many
    words: the values of its first channels, those of the next, and so on, in each word channels innermost. Rows above
    the current one wait in a line buffer. Each turn of each place of the padded image takes one cycle, and longer only
    while a word has not been taken yet; a word is offered 1 cycle after its last pixel came.

    A `late` window is for a reader that books room for a word before it comes: a word is offered, and taken, in the
    very cycle in which its last pixel comes, and stands in the payload for one cycle, `LATE` cycles after. So nothing
    halts the window, and its registers are enabled by registers.
    Raises `ValueError` on turns that do not divide the channels.
    """

    def __init__(self, shape: Shape, placement: Placement, pad: int = 0, turns: int = 1, *, late: bool = False) -> None:
        if turns < 1 or placement.shape[2] % turns:
            raise ValueError(f"turns must divide {placement.shape[2]} channels, not be {turns!r}")
        self.shape, self.placement, self.pad, self.turns, self.late = shape, placement, pad, turns, late
        self.channels = placement.shape[2] // turns
        super().__init__({"i": In(lanes(shape, self.channels)), "o": Out(lanes(shape, placement.values // turns))})

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        placement = self.placement
        (kernel_y, kernel_x), (tap_y, tap_x) = placement.window.kernel, placement.window.dilation
        width = placement.padded[1]

        # Where we are: turn, place, whether it lies in the image, can be passed now, and whether a window ends here.
        advance, passes, free, moves, next_row = (Signal() for _ in range(5))
        turn, last_turn = Signal(range(self.turns)), Signal(init=self.turns == 1)
        x, y = _axis(m, "x", placement, 1, moves), _axis(m, "y", placement, 0, next_row)
        inside = _both(m, "inside", x.inside, y.inside, moves, x.last)
        ends = _both(m, "ends", x.window, y.window, moves, x.last)
        m.d.comb += [
            moves.eq(advance & last_turn),
            next_row.eq(moves & x.last),
            passes.eq(self.i.valid | ~inside),
            self.i.ready.eq(inside & free),
            advance.eq(free & passes),
        ]
        with m.If(advance):
            m.d.sync += turn.eq(Mux(last_turn, 0, turn + 1))
            m.d.sync += last_turn.eq(Mux(last_turn, self.turns == 1, turn == self.turns - 2))

        # The column of pixels that ends here: the rows above from the line buffer, oldest first, then this one.
        pixel = Signal(len(self.i.payload.as_value()))
        padding = Cat(Signal(self.shape, init=self.pad, name=f"pad{c}") for c in range(self.channels))
        m.d.comb += pixel.eq(Mux(inside, self.i.payload.as_value(), padding))
        moves_on, now = advance, pixel
        if self.late:  # the line buffer is where its readers are, far from what books room
            moves_on, now = Signal(), Signal.like(pixel, reset_less=True)
            m.d.sync += [moves_on.eq(advance), now.eq(pixel)]
        rows, came = placement.window.reach[0], now
        if rows > 1:
            came = _history(m, "lines", now, rows - 1, width * self.turns, moves_on, late=self.late)
        elif self.late:
            came = Signal.like(now, name="came", reset_less=True)
            m.d.sync += came.eq(now)
        column = Cat(came.word_select(ky * tap_y, len(pixel)) for ky in range(kernel_y))

        step, newest = advance, column
        if self.late:
            # Without a reset, which would be a LUT before each of the copies that a wide window needs (`flow.copies`).
            moved_on, step = (Signal(name=name, reset_less=True) for name in ("moved_on", "step"))
            newest = Signal(len(column), name="newest", reset_less=True)
            m.d.sync += [moved_on.eq(moves_on), step.eq(moved_on), newest.eq(column)]
            m.d.comb += [free.eq(self.o.ready | ~ends), self.o.valid.eq(ends & passes)]
        else:
            m.d.comb += free.eq(~self.o.valid | self.o.ready)
            with m.If(self.o.ready):
                m.d.sync += self.o.valid.eq(0)
            with m.If(advance):
                m.d.sync += self.o.valid.eq(ends)

        # The window: columns move left; the newest comes in on the right.
        reach = placement.window.reach[1]
        columns = Signal(data.ArrayLayout(len(column), reach), reset_less=True)
        before = columns.as_value()[len(column) :]
        if self.turns > 1 and reach > 1:
            before = _history(m, "columns", newest, reach - 1, self.turns, step)[: -len(newest)]
        with m.If(step):
            m.d.sync += columns.as_value().eq(Cat(before, newest))
        values = (columns[kx * tap_x].word_select(ky, len(pixel)) for ky in range(kernel_y) for kx in range(kernel_x))
        m.d.comb += self.o.payload.as_value().eq(Cat(*values))
        return m


def _history(m: Module, name: str, now: Value, n: int, depth: int, advance: Value, *, late: bool = False) -> Value:
    """The `n` values that were `now` when its place came before, the oldest lowest, and `now`; `depth` places come in
    turn. If `late` it is given a cycle later, by registers, and where there are more than two places no path leads from
    a memory to the next.
    """
    at, ahead = buffer.places(m, f"{name}_at", depth, advance)
    m.submodules[name] = kept = buffer.buffer(depth, n * len(now), apart=depth > 1)
    write = kept.write_port()
    # Read one place ahead; only where there is a single one is the very word read that is being written.
    read = kept.read_port(transparent_for=(write,) if depth == 1 else ())
    came = written = Cat(read.data, now)
    place, writes = at, advance
    if late:
        came = Signal(len(written), name=f"{name}_came", reset_less=True)
        m.d.sync += came.eq(written)
        if depth > 2:  # so that the place is not being read by then
            place, writes = Signal.like(at, name=f"{name}_place"), Signal(name=f"{name}_writes")
            m.d.sync += [place.eq(at), writes.eq(advance)]
            written = came
    m.d.comb += [
        read.addr.eq(ahead),
        read.en.eq(advance),
        write.addr.eq(place),
        write.data.eq(written[len(now) :]),
        write.en.eq(writes),
    ]
    return came


class _Known(NamedTuple):
    """What is so at a place of an axis, and what is at the one ahead."""

    now: Signal
    ahead: Value


class _Axis(NamedTuple):
    """Of a place along an axis: whether it lies in the image, whether a window ends there, whether it is the last."""

    inside: _Known
    window: _Known
    last: Signal


def _axis(m: Module, name: str, placement: Placement, axis: int, step: Value) -> _Axis:
    """The places along one axis, one after another with each `step`."""
    padded, size, before = placement.padded[axis], placement.shape[axis], placement.before[axis]
    reach, stride = placement.window.reach[axis], placement.window.strides[axis]
    at, ahead, last = Signal(range(padded), name=name), Signal(range(padded)), Signal(init=padded == 1)
    left, left_ahead = Signal(range(max(reach, stride)), init=reach - 1), Signal(range(max(reach, stride)))
    window, inside = Signal(init=reach == 1, name=f"window_{name}"), Signal(init=before == 0, name=f"inside_{name}")
    inside_ahead = C(1) if (before, padded) == (0, size) else (ahead >= before) & (ahead < before + size)
    m.d.comb += [
        ahead.eq(Mux(last, 0, at + 1)),
        left_ahead.eq(Mux(last, reach - 1, Mux(window, stride - 1, left - 1))),
    ]
    with m.If(step):
        m.d.sync += [
            at.eq(ahead),
            last.eq(ahead == padded - 1),
            left.eq(left_ahead),
            window.eq(left_ahead == 0),
            inside.eq(inside_ahead),
        ]
    return _Axis(_Known(inside, inside_ahead), _Known(window, left_ahead == 0), last)


def _both(m: Module, name: str, x: _Known, y: _Known, step: Value, next_row: Value) -> Signal:
    """Whether something is so along both axes: a register, for the enable of a whole window's registers hangs on it."""
    both = Signal(init=x.now.init & y.now.init, name=name)
    with m.If(step):
        m.d.sync += both.eq(x.ahead & Mux(next_row, y.ahead, y.now))
    return both


def line_bits(placement: Placement, width: int) -> int:
    """Bits in the line buffer."""
    return (placement.window.reach[0] - 1) * placement.shape[2] * width * placement.padded[1]


def column_bits(placement: Placement, width: int, turns: int) -> int:
    """Bits of the columns that wait for their turn to come again: none if there is one turn only."""
    column = placement.window.kernel[0] * placement.shape[2] * width
    return (placement.window.reach[1] - 1) * column if turns > 1 else 0


def memory_bits(placement: Placement, width: int, turns: int = 1) -> int:
    """Bits in memories, for values of `width` bits."""
    return line_bits(placement, width) + column_bits(placement, width, turns)


def timing(placement: Placement, turns: int = 1, *, late: bool = False) -> Process:
    """As a timed process."""
    (reach_y, reach_x), (stride_y, stride_x) = placement.window.reach, placement.window.strides
    (height, width), (top, left) = placement.padded, placement.before
    inside_x = [left <= x < left + placement.shape[1] for x in range(width)]
    window_x = [x >= reach_x - 1 and (x - reach_x + 1) % stride_x == 0 for x in range(width)]
    free = 0
    while True:
        for y in range(height):
            inside_y = top <= y < top + placement.shape[0]
            window_y = y >= reach_y - 1 and (y - reach_y + 1) % stride_y == 0
            for x in range(width):
                inside, ends = inside_y and inside_x[x], window_y and window_x[x]
                if not (inside or ends):
                    free += turns
                    continue
                for _ in range(turns):
                    at = free
                    if inside:
                        at = max(at, (yield Peek()))
                    if late and ends:
                        at = yield Put(at)
                    if inside:
                        yield Pop(at)
                    free = at + 1
                    if ends and not late:
                        free = yield Put(at + 1)


def resources(placement: Placement, width: int, device: Device, turns: int = 1, *, late: bool = False) -> Resources:
    """What it takes for values of `width` bits."""
    column = placement.window.kernel[0] * placement.shape[2] // turns * width
    held = column * placement.window.reach[1] if turns == 1 else placement.values // turns * width
    held += 2 * column if late else 0
    taken = Resources(luts=40, ffs=held + 4 * max(placement.padded).bit_length())
    for depth, bits in (
        (placement.padded[1] * turns, line_bits(placement, width)),
        (turns, column_bits(placement, width, turns)),
    ):
        if bits:
            taken += buffer.resources(depth, bits // depth, device)
    return taken
