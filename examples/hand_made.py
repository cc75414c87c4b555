"""An edge detector put together by hand: a convolution with hand-written weights, ReLU and max-pooling.

Run it with `python examples/hand_made.py`: Amaranth's simulator runs the hardware, and the edges of a drawing
come out as text.
"""

import numpy as np
from amaranth import Module, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from dnn2fpga import hw

HEIGHT, WIDTH = 16, 32
PIXEL = unsigned(8)

# Sobel's kernels: one channel for what gets brighter to the right, to the left, downward and upward.
RIGHT = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
KERNELS = np.stack([RIGHT, -RIGHT, RIGHT.T, -RIGHT.T], axis=-1)
MARKS = "()^v"


class EdgeDetector(wiring.Component):
    """Takes pixels, one a clock, gives for each 2×2 of them the strongest edge in each of four directions."""

    def __init__(self) -> None:
        super().__init__({"i": In(hw.lanes(PIXEL, 1)), "o": Out(hw.lanes(PIXEL, len(MARKS)))})

    def elaborate(self, platform):
        """The logic: two layers, and the registers between them."""
        m = Module()
        # A sum is at most 4 × 255: a quarter of it fits a pixel. A negative one becomes 0: that is the ReLU.
        sums = hw.Sums(
            kernel=KERNELS.reshape(-1, 4), offset=np.zeros(4, int), multiplier=np.ones(4, int), shift=2,
            i=PIXEL, weight=signed(3), o=PIXEL,
        )  # fmt: skip
        # All 4 × 9 multipliers, so that there is a window a clock.
        folding = hw.DenseFolding(sums, outputs=4, inputs=9)
        windows = hw.Window((3, 3), padding="same").over((HEIGHT, WIDTH, 1))
        pools = hw.Window((2, 2), strides=(2, 2)).over((HEIGHT, WIDTH, 4))

        m.submodules.edges = edges = hw.Conv2D(hw.Conv2DFolding(windows, folding))
        m.submodules.between = between = hw.MasterSlave(PIXEL, 4)
        m.submodules.strongest = strongest = hw.MaxPool2D(hw.MaxPool2DFolding(pools, PIXEL))
        hw.connect(m, wiring.flipped(self.i), edges.i)
        hw.connect(m, edges.o, between.i)
        hw.connect(m, between.o, strongest.i)
        hw.connect(m, strongest.o, wiring.flipped(self.o))
        return m


def drawing() -> np.ndarray:
    """A bright disk and a bright box on black."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    disk = (y - 7.5) ** 2 + (x - 7.5) ** 2 < 36
    box = (abs(y - 7.5) < 5) & (abs(x - 23.5) < 6)
    return np.where(disk | box, 255, 0)


def simulate(image: np.ndarray) -> np.ndarray:
    """`image` through the hardware, in Amaranth's simulator."""
    detector = EdgeDetector()
    edges = []

    async def send(ctx):
        for pixel in image.reshape(-1).tolist():
            ctx.set(detector.i.payload[0], pixel)
            ctx.set(detector.i.valid, 1)
            await ctx.tick().until(detector.i.ready)
        ctx.set(detector.i.valid, 0)

    async def receive(ctx):
        ctx.set(detector.o.ready, 1)
        for _ in range(HEIGHT * WIDTH // 4):
            [word] = await ctx.tick().sample(detector.o.payload).until(detector.o.valid)
            edges.append([word[lane] for lane in range(len(MARKS))])

    simulator = Simulator(detector)
    simulator.add_clock(1e-8)
    simulator.add_testbench(send)
    simulator.add_testbench(receive)
    simulator.run()
    return np.array(edges).reshape(HEIGHT // 2, WIDTH // 2, len(MARKS))


if __name__ == "__main__":
    for row in simulate(drawing()):
        print("".join(MARKS[cell.argmax()] if cell.max() > 60 else " " for cell in row).rstrip())
