"""The host's end of the link by itself; with the gateware it is tested in tests/hw/test_link.py."""

import builtins
import random

import pytest

from dnn2fpga.errors import Refusal, Shortfall
from dnn2fpga.flow.link import Link, Tensor, decode_frame, encode_frame, open_port
from dnn2fpga.hw.frame import VERSION, Status

HASH = b"\x01\x02\x03\x04"


class Scripted:
    """A port whose board answers each request's content by `answer`."""

    def __init__(self, answer):
        self.answer = answer
        self.wire = b""
        self.requests = []

    def write(self, data: bytes) -> None:
        content = decode_frame(data.strip(b"\xc0"))
        self.requests.append(content)
        self.wire += self.answer(content)

    def read(self, size: int) -> bytes:
        given, self.wire = self.wire[:size], self.wire[size:]
        return given


def link(answer) -> tuple[Link, Scripted]:
    port = Scripted(answer)
    return Link(port, Tensor(2, 12, True), Tensor(1, 20, True), HASH), port


def ok(content: bytes, rest: bytes) -> bytes:
    return encode_frame(bytes([content[0], Status.OK]) + rest)


RESULT = (77).to_bytes(4, "little") + (-5).to_bytes(3, "little", signed=True)


def test_frames_of_any_bytes_come_back():
    rng = random.Random(0)
    for length in range(1, 60):
        content = bytes(rng.choice(b"\xc0\xdb\xdc\xdd\x00\xff") for _ in range(length))
        wire = encode_frame(content)
        assert wire[0] == wire[-1] == 0xC0
        assert 0xC0 not in wire[1:-1]
        assert decode_frame(wire[1:-1]) == content


def test_known_frame():
    # CRC-16/X-25 of "123456789" is 0x906E, by the catalog of CRCs.
    assert encode_frame(b"123456789") == b"\xc0123456789\x6e\x90\xc0"


@pytest.mark.parametrize("bit", range(8 * 11))
def test_a_damaged_frame_is_none(bit):
    wire = bytearray(encode_frame(b"123456789")[1:-1])
    wire[bit // 8] ^= 1 << bit % 8
    assert decode_frame(bytes(wire)) is None


@pytest.mark.parametrize("wire", [b"", b"1", b"\x00\x00", b"\xdb"])
def test_a_stub_of_a_frame_is_none(wire):
    assert decode_frame(wire) is None


def test_infer():
    board, port = link(lambda content: ok(content, RESULT))
    assert board.infer([-2048, 2047]) == ([-5], 77)
    assert port.requests == [b"\x01\x00\xf8\xff\x07"]


def test_other_answers_are_passed_over():
    def answer(content):
        stale = encode_frame(bytes([content[0] - 1, Status.OK]) + bytes(len(RESULT)))
        return b"noise\xc0\xc0" + stale + ok(content, RESULT)

    board, port = link(answer)
    assert board.infer([0, 0]) == ([-5], 77)
    assert len(port.requests) == 1


def test_tries_again_after_damage_and_silence():
    answers = [
        lambda content: b"",
        lambda content: encode_frame(bytes([0, Status.BROKEN])),
        lambda content: ok(content, RESULT)[:-4],
        lambda content: ok(content, RESULT),
    ]
    board, port = link(lambda content: answers.pop(0)(content))
    assert board.infer([0, 0]) == ([-5], 77)
    assert [request[0] for request in port.requests] == [1, 2, 3, 4]  # each attempt has its own number


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (lambda content: b"", "no answer"),
        (lambda content: encode_frame(bytes([content[0], Status.BROKEN])), "the board hears damaged frames"),
        (lambda content: ok(content, RESULT + b"0"), "the answers are to other questions"),
    ],
)
def test_gives_up(answer, complaint):
    board, port = link(answer)
    with pytest.raises(Shortfall, match=f"the board did not answer in 4 attempts: {complaint}"):
        board.infer([0, 0])
    assert len(port.requests) == 4


@pytest.mark.parametrize("noise", [b"$GPGGA,\n", b"\xc0\xc0", encode_frame(b"\x09\x00")])
def test_gives_up_on_a_port_that_never_falls_silent(noise):
    board, port = link(lambda content: 10_000 * noise)
    with pytest.raises(Shortfall, match="the board did not answer in 4 attempts"):
        board.infer([0, 0])
    assert len(port.requests) == 4
    assert port.wire


def test_all_answers_that_may_be_on_their_way_are_read():
    late = []

    def answer(content):
        late.append(encode_frame(bytes([content[0], Status.OK]) + 7 * b"\xc0"))  # escaped, as long as can be
        return b"" if len(late) < 4 else b"".join(late)

    board, port = link(answer)
    assert board.infer([0, 0])[0] == [-0x3F3F40]
    assert len(port.requests) == 4


def test_refuses_an_image_that_does_not_fit():
    board, port = link(lambda content: b"")
    with pytest.raises(Refusal, match="the board takes 2 values an image, not 3"):
        board.infer([1, 2, 3])
    with pytest.raises(Refusal, match="value 1 of the image must be from -2048 to 2047, not 2048"):
        board.infer([1, 2048])
    assert not port.requests


def test_check_design():
    link(lambda content: ok(content, bytes([VERSION]) + HASH))[0].check_design()
    with pytest.raises(Refusal, match="the board holds design 00000000, not 01020304"):
        link(lambda content: ok(content, bytes([VERSION]) + bytes(4)))[0].check_design()
    with pytest.raises(Refusal, match="the board speaks version 9 of the link, this dnn2fpga version 1"):
        link(lambda content: ok(content, bytes([9]) + HASH))[0].check_design()


def test_a_port_that_is_not_there():
    pytest.importorskip("serial")
    with pytest.raises(Refusal, match=r"port /dev/nowhere: .*No such file"):
        open_port("/dev/nowhere", 115200, busy_s=0)


def test_without_pyserial(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "serial":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(Refusal, match="talking to a board needs pyserial"):
        open_port("/dev/ttyUSB0", 115200, busy_s=0)
