"""The sliding window: an image streams in, pixel by pixel, and every window of it streams out."""

from amaranth import Cat, Module, Mux, Shape, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from ..quant.ops.window import Placement
from .resources import Device, Resources
from .stream import lanes
from .timing import Peek, Pop, Process, Put

BLOCK_BITS = 4096
"""From this many bits on the line buffer is block RAM; below, LUT memory where the chip has it."""


class SlidingWindow(wiring.Component):
    """All windows of an image, in raster order, from one pixel (all its channels) a word.

    `placement` says where windows lie, padding included; padding reads as `pad`. Rows above the current one wait
    in a line buffer. Each place of the padded image takes one cycle, and longer only while its window has not
    been taken yet; a window is offered 1 cycle after its last pixel came.
    """

    def __init__(self, shape: Shape, placement: Placement, pad: int = 0) -> None:
        self.shape, self.placement, self.pad = shape, placement, pad
        super().__init__({"i": In(lanes(shape, placement.shape[2])), "o": Out(lanes(shape, placement.values))})

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        placement = self.placement
        (kernel_y, kernel_x), width = placement.window.kernel, placement.padded[1]

        # Where we are: position, whether it lies inside the image, whether a window ends here.
        advance, inside = Signal(), Signal()
        ends_row = Signal()
        x, inside_x, window_x = _axis(m, "x", placement, 1, advance)
        _, inside_y, window_y = _axis(m, "y", placement, 0, advance & ends_row)
        free = ~self.o.valid | self.o.ready
        m.d.comb += [
            ends_row.eq(x == width - 1),
            inside.eq(inside_x & inside_y),
            self.i.ready.eq(inside & free),
            advance.eq(free & (self.i.valid | ~inside)),
        ]

        # The column of pixels that ends here: the rows above from the line buffer, oldest first, then this one.
        pixel = Signal(len(self.i.payload.as_value()))
        padding = Cat(Signal(self.shape, init=self.pad, name=f"pad{c}") for c in range(placement.shape[2]))
        m.d.comb += pixel.eq(Mux(inside, self.i.payload.as_value(), padding))
        above = self._rows_above(m, pixel, x, Mux(ends_row, 0, x + 1), advance) if kernel_y > 1 else []
        column = Cat(*above, pixel)

        # The window: columns move left; the newest comes in on the right.
        columns = Signal(data.ArrayLayout(len(column), kernel_x), reset_less=True)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(advance):
            m.d.sync += [columns[at].eq(columns[at + 1]) for at in range(kernel_x - 1)]
            m.d.sync += [columns[kernel_x - 1].eq(column), self.o.valid.eq(window_x & window_y)]
        rows = (columns[kx].word_select(ky, len(pixel)) for ky in range(kernel_y) for kx in range(kernel_x))
        m.d.comb += self.o.payload.as_value().eq(Cat(*rows))
        return m

    def _rows_above(self, m: Module, pixel: Signal, x: Signal, next_x: object, advance: Signal) -> list[object]:
        """The pixels above `pixel`, read one position ahead; written back one row up."""
        rows, width = self.placement.window.kernel[0] - 1, self.placement.padded[1]
        # A small one is left to synthesis: not every family has LUT memory.
        attrs = {"ram_style": "block"} if in_block(self.placement, self.shape.width) else {}
        m.submodules.lines = lines = memory.Memory(shape=rows * len(pixel), depth=width, init=[], attrs=attrs)
        write = lines.write_port()
        # Only a one-pixel-wide image reads the very word that it is writing.
        read = lines.read_port(transparent_for=(write,) if width == 1 else ())
        m.d.comb += [
            read.addr.eq(next_x),
            read.en.eq(advance),
            write.addr.eq(x),
            write.data.eq(Cat(read.data, pixel)[len(pixel) :]),
            write.en.eq(advance),
        ]
        return [read.data.word_select(row, len(pixel)) for row in range(rows)]


def _axis(m: Module, name: str, placement: Placement, axis: int, step: object) -> tuple[Signal, Signal, Signal]:
    """A position along one axis, whether it lies in the image, and whether a window can end there."""
    padded, size, before = placement.padded[axis], placement.shape[axis], placement.before[axis]
    kernel, stride = placement.window.kernel[axis], placement.window.strides[axis]
    at, inside = Signal(range(padded), name=name), Signal(name=f"inside_{name}")
    to_window = Signal(range(max(kernel, stride)), init=kernel - 1, name=f"to_window_{name}")
    m.d.comb += inside.eq((at >= before) & (at < before + size))
    with m.If(step):
        m.d.sync += [at.eq(at + 1), to_window.eq(Mux(to_window == 0, stride - 1, to_window - 1))]
        with m.If(at == padded - 1):
            m.d.sync += [at.eq(0), to_window.eq(kernel - 1)]
    return at, inside, to_window == 0


def in_block(placement: Placement, width: int) -> bool:
    """Whether the line buffer, for values of `width` bits, goes to block RAM."""
    return line_bits(placement, width) >= BLOCK_BITS


def line_bits(placement: Placement, width: int) -> int:
    """Bits in the line buffer."""
    return (placement.window.kernel[0] - 1) * placement.shape[2] * width * placement.padded[1]


def timing(placement: Placement) -> Process:
    """As a timed process."""
    (kernel_y, kernel_x), (stride_y, stride_x) = placement.window.kernel, placement.window.strides
    (height, width), (top, left) = placement.padded, placement.before
    inside_x = [left <= x < left + placement.shape[1] for x in range(width)]
    window_x = [x >= kernel_x - 1 and (x - kernel_x + 1) % stride_x == 0 for x in range(width)]
    free = 0
    while True:
        for y in range(height):
            inside_y = top <= y < top + placement.shape[0]
            window_y = y >= kernel_y - 1 and (y - kernel_y + 1) % stride_y == 0
            for x in range(width):
                at = free
                if inside_y and inside_x[x]:
                    at = max(at, (yield Peek()))
                    yield Pop(at)
                free = at + 1
                if window_y and window_x[x]:
                    free = yield Put(at + 1)


def resources(placement: Placement, width: int, device: Device) -> Resources:
    """What it takes for values of `width` bits."""
    taken = Resources(luts=40, ffs=placement.values * width + 4 * max(placement.padded).bit_length())
    bits = line_bits(placement, width)
    depth = placement.padded[1]
    if bits == 0:
        return taken
    if in_block(placement, width) or device.family == "ice40":
        return taken + Resources(brams=device.brams(depth, bits // depth))
    # LUT memory: 16 words of 4 bits in 4 LUTs' room (2 of data, 2 of control), a read register, a mux between banks.
    banks = -(-depth // 16)
    return taken + Resources(luts=bits // depth * banks * 2, ffs=bits // depth)
