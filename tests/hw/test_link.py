"""The gateware's end of the link, pin by pin, against the host's end."""

import random
from collections import deque

import pytest
from amaranth import Module, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from dnn2fpga.errors import Refusal, Shortfall
from dnn2fpga.flow import link as host
from dnn2fpga.hw import frame
from dnn2fpga.hw.link import Link
from dnn2fpga.hw.stream import lanes

DIVISOR = 5
HASH = b"\xc0\xdb\x00\x42"
VALUES_IN = 6
VALUES_OUT = 3
CYCLES = 3  # of the pipeline below: words go in at cycles 0, 1 and 2, and the last comes out at 3


class Adder(wiring.Component):
    """Stands for a pipeline: for each word of two bytes, gives a signed value of 11 bits. Latency 1 cycle."""

    def __init__(self):
        super().__init__({"i": In(lanes(unsigned(8), 2)), "o": Out(lanes(signed(11), 1))})
        self.words = Signal(8)  # taken since power-up: half an image in the pipeline would show

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.i.ready.eq(~self.o.valid | self.o.ready)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [
                self.o.valid.eq(1),
                self.o.payload[0].eq(self.i.payload[0] + self.i.payload[1] - 512),
                self.words.eq(self.words + 1),
            ]
        return m


def expected(image: list[int]) -> list[int]:
    return [a + b - 512 for a, b in zip(image[::2], image[1::2], strict=True)]


class Board:
    """A simulated board as a serial port. `write_baud` 1.02 is a host 2 % too fast; the pipeline has `speed` cycles in
    one of the wire's.
    """

    def __init__(self, timeout_bits: int = 300, write_baud: float = 1.0, speed: float = 1.7):
        m = Module()
        m.submodules.pipeline = self.pipeline = Adder()
        m.submodules.link = self.link = Link(
            self.pipeline.i.payload.shape(),
            self.pipeline.o.payload.shape(),
            values_in=VALUES_IN,
            values_out=VALUES_OUT,
            divisor=DIVISOR,
            design_hash=HASH,
        )
        wiring.connect(m, self.link.to_pipeline, self.pipeline.i)
        wiring.connect(m, self.pipeline.o, self.link.from_pipeline)
        self.timeout = timeout_bits * DIVISOR
        self.words_taken = 0
        self.overlaps = 0  # clocks in which an image was fed while outputs waited to be sent
        self.write_bit = DIVISOR / write_baud
        self.to_board = deque()
        self.heard = deque()
        self.sim = Simulator(m)
        self.sim.add_clock(1e-6, domain="wire")
        self.sim.add_clock(1e-6 / speed)
        self.now = 0.0
        self.sim.add_testbench(self._drive, background=True)
        self.sim.add_testbench(self._listen, background=True)

    async def _drive(self, ctx):
        while True:
            ctx.set(self.link.rx, self.to_board.popleft() if self.to_board else 1)
            await ctx.tick("wire")
            self.words_taken = ctx.get(self.pipeline.words)
            if ctx.get(self.link.to_pipeline.valid & self.link.outputs.full):
                self.overlaps += 1

    async def _listen(self, ctx):
        level, clock, bits = 1, 0, []
        while True:
            await ctx.tick("wire")
            last, level = level, ctx.get(self.link.tx)
            if clock:  # inside a byte: judge the middle of each bit
                clock += 1
                if clock % DIVISOR == DIVISOR // 2:
                    bits.append(level)
                if len(bits) == 10:
                    assert bits[0] == 0, "a start bit was too short"
                    assert bits[9] == 1, "no stop bit"
                    self.heard.append(sum(bit << n for n, bit in enumerate(bits[1:9])))
                    clock, bits = 0, []
            elif last and not level:
                clock = 1

    def levels(self, wire: list[int]) -> None:
        """Put levels on the pin, one a bit."""
        self.to_board.extend(wire[int(clock / self.write_bit)] for clock in range(int(len(wire) * self.write_bit)))

    def write(self, data: bytes) -> None:
        self.levels([bit for byte in data for bit in (0, *(byte >> n & 1 for n in range(8)), 1)])

    def read(self, size: int) -> bytes:
        """One byte, or none after the timeout."""
        for _ in range(self.timeout + len(self.to_board)):
            if self.heard:
                return bytes([self.heard.popleft()])
            self.now += 1e-6
            self.sim.run_until(self.now)
        return b""

    def frames(self) -> list[bytes | None]:
        """All frames until silence, None for damaged ones."""
        wire = b""
        while byte := self.read(1):
            wire += byte
        return [host.decode_frame(part) for part in wire.split(b"\xc0") if part]

    def host(self, design_hash: bytes = HASH, values_in: int = VALUES_IN) -> host.Link:
        return host.Link(self, host.Tensor(values_in, 8, False), host.Tensor(VALUES_OUT, 11, True), design_hash)


def image_frame(sequence: int, image: list[int]) -> bytes:
    return host.encode_frame(bytes([sequence, *image]))


def reply_to(sequence: int, image: list[int], cycles: int = CYCLES) -> bytes:
    values = b"".join(value.to_bytes(2, "little", signed=True) for value in expected(image))
    return bytes([sequence, frame.Status.OK]) + cycles.to_bytes(4, "little") + values


GOOD = [1, 2, 3, 255, 0, 7]


@pytest.mark.parametrize("speed", [4.83, 1, 0.31])
def test_good_transfers_with_escapes(speed):
    board = Board(speed=speed)
    link = board.host()
    link.check_design()
    rng = random.Random(1)
    special = [0xC0, 0xDB, 0xDC, 0xDD, 0, 255]
    for image in [
        GOOD,
        special,
        [0xC0] * 6,
        [0xDB] * 6,
        *([rng.randrange(256) for _ in "123456"] for _ in "123"),
    ]:
        outputs, cycles = link.infer(image)
        assert outputs == expected(image)
        assert cycles == CYCLES


def test_replies_are_as_documented():
    board = Board()
    board.write(image_frame(7, GOOD) + host.encode_frame(bytes([9])))
    # The query is the next frame at once: it is heard while the image's reply goes out.
    assert board.frames() == [reply_to(7, GOOD), bytes([9, frame.Status.OK, frame.VERSION]) + HASH]


@pytest.mark.parametrize("speed", [4.83, 1, 0.31])
def test_back_to_back_images_without_waiting_for_replies(speed):
    board = Board(speed=speed)
    images = [[n, *GOOD[1:]] for n in range(3)]
    board.write(b"".join(image_frame(n, image) for n, image in enumerate(images)))
    assert board.frames() == [reply_to(n, image) for n, image in enumerate(images)]
    assert board.overlaps == 0  # or an image's outputs would come upon those of the one before


def test_an_image_too_early_is_dropped_whole():
    # Replies are longer than images here, so that a host that never waits gets ahead of the board.
    board = Board()
    images = [[n, *GOOD[1:]] for n in range(8)]
    board.write(b"".join(image_frame(n, image) for n, image in enumerate(images)))
    replies = board.frames()
    assert [reply for reply in replies if reply != reply_to(reply[0], images[reply[0]])] == []
    assert 3 <= len(replies) < len(images)
    assert board.words_taken == 3 * len(replies)
    assert board.host().infer(GOOD) == (expected(GOOD), CYCLES)


@pytest.mark.parametrize("at", range(len(image_frame(1, GOOD))))
def test_a_corrupted_byte_is_told_and_the_next_image_is_right(at):
    board = Board()
    wire = bytearray(image_frame(1, GOOD))
    wire[at] ^= 0x10
    board.write(bytes(wire) + image_frame(2, GOOD))
    *told, good = board.frames()
    assert good == reply_to(2, GOOD)
    assert {reply[1] for reply in told if reply[0] == 1} <= {frame.Status.BROKEN}
    assert [reply[1] for reply in told] == [frame.Status.BROKEN]
    assert board.words_taken == 3


def test_a_truncated_frame_then_a_good_one():
    board = Board()
    board.write(image_frame(1, GOOD)[:5] + image_frame(2, GOOD))
    assert board.frames() == [bytes([1, frame.Status.BROKEN]), reply_to(2, GOOD)]
    assert board.words_taken == 3


def test_frames_of_the_wrong_length():
    board = Board()
    for sequence, image in enumerate([GOOD[:-1], [*GOOD, 1], GOOD * 50]):
        board.write(image_frame(sequence, image))
        assert board.frames() == [bytes([sequence, frame.Status.WRONG_LENGTH])]
    assert board.words_taken == 0
    assert board.host().infer(GOOD) == (expected(GOOD), CYCLES)


@pytest.mark.parametrize("seed", range(4))
def test_noise(seed):
    rng = random.Random(seed)
    board = Board()
    board.levels([rng.randrange(2) for _ in range(400)] + [1] * 12)
    board.write(bytes(rng.randrange(256) for _ in range(40)))
    board.frames()
    assert board.words_taken == 0
    assert board.host().infer(GOOD) == (expected(GOOD), CYCLES)


@pytest.mark.parametrize("baud", [0.98, 1.02])
def test_a_host_off_by_2_percent(baud):
    board = Board(write_baud=baud)
    link = board.host()
    link.check_design()
    for image in [GOOD, [0] * 6, [255] * 6, [0x55] * 6]:
        assert link.infer(image) == (expected(image), CYCLES)


def test_the_host_tries_again():
    board = Board()
    link = board.host()
    send, lose = board.write, [1, 4, None]

    def write(wire: bytes) -> None:
        wire = bytearray(wire)
        if (at := lose.pop(0)) is not None:
            wire[at] ^= 4
        send(wire)

    board.write = write
    assert link.infer(GOOD) == (expected(GOOD), CYCLES)
    assert not lose


def test_the_host_refuses_another_design():
    with pytest.raises(Refusal, match="the board holds design c0db0042, not 00000000: flash it first"):
        Board().host(design_hash=bytes(4)).check_design()
    with pytest.raises(Refusal, match="the board holds another design: its images are not 5 bytes"):
        Board().host(values_in=5).infer(GOOD[:5])


def test_the_host_gives_up_on_a_silent_board():
    board = Board(timeout_bits=1)
    board.write = lambda wire: None
    with pytest.raises(Shortfall, match="the board did not answer in 4 attempts: no answer"):
        board.host().check_design()


def test_refuses_bad_parameters():
    words = data.ArrayLayout(8, 2)
    good = {"values_in": 4, "values_out": 4, "divisor": 4, "design_hash": HASH}
    for bad, message in [
        ({"values_in": 5}, "values_in must be a positive multiple of 2 lanes, not 5"),
        ({"values_out": 0}, "values_out must be a positive multiple of 2 lanes, not 0"),
        ({"divisor": 3}, "divisor must be an integer of at least 4, not 3"),
        ({"design_hash": b"abc"}, "design_hash must be 4 bytes, not b'abc'"),
    ]:
        with pytest.raises(ValueError, match=message):
            Link(words, words, **good | bad)
