"""The host's end of the link to a board: `hw/link.py` is the other, and tells the protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..errors import Refusal, Shortfall
from ..hw.frame import CRC, CRC_BYTES, CYCLES_BYTES, HASH_BYTES, VERSION, Status
from ..hw.slip import END, ESC, ESC_END, ESC_ESC

ATTEMPTS = 4
TIMEOUT_S = 1.0
"""How long to wait for a reply, beyond what it takes the board; some USB adapters hold bytes back for 16 ms."""

BITS = 10
"""Those of a byte on the wire, start and stop included."""


class Port(Protocol):
    """What a link runs over: pyserial's `Serial`, opened with a timeout, or anything like it."""

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; fewer, or none, if they do not come before the timeout."""

    def write(self, data: bytes) -> int | None:
        """Send all of `data`."""


def open_port(name: str, baud: int, busy_s: float) -> Port:
    """Open a serial port by name (`/dev/ttyUSB0`), to a board that may be `busy_s` seconds with a request.

    Raises `Refusal` if it cannot be had.
    """
    try:
        import serial
    except ImportError:
        raise Refusal("talking to a board needs pyserial: pip install 'dnn2fpga[toolchain]'") from None
    try:
        return serial.Serial(name, baud, timeout=TIMEOUT_S + busy_s)
    except (serial.SerialException, ValueError) as error:
        raise Refusal(f"port {name}: {error}") from None


@dataclass(frozen=True)
class Tensor:
    """How a tensor travels: `values` of them, each `bits` wide."""

    values: int
    bits: int
    signed: bool

    @property
    def bytes_per_value(self) -> int:
        """Whole bytes, least significant first."""
        return -(-self.bits // 8)

    def seconds(self, baud: int) -> float:
        """How long one takes on the wire, at most: each byte escaped."""
        return 2 * self.values * self.bytes_per_value * BITS / baud

    def encode(self, ints: Sequence[int]) -> bytes:
        """The bytes of a tensor. Raises `Refusal` for a wrong count, or a value that does not fit."""
        if len(ints) != self.values:
            raise Refusal(f"the board takes {self.values} values an image, not {len(ints)}")
        low = -(1 << self.bits - 1) if self.signed else 0
        high = low + (1 << self.bits) - 1
        for at, value in enumerate(ints):
            if not low <= value <= high:
                raise Refusal(f"value {at} of the image must be from {low} to {high}, not {value}")
        return b"".join(int(value).to_bytes(self.bytes_per_value, "little", signed=self.signed) for value in ints)

    def decode(self, data: bytes) -> list[int]:
        """The values in `data`."""
        step = self.bytes_per_value
        parts = (data[start : start + step] for start in range(0, len(data), step))
        return [int.from_bytes(part, "little", signed=self.signed) for part in parts]


def encode_frame(content: bytes) -> bytes:
    """A frame as it goes over the wire: END, the content and its CRC, escaped, END."""
    wire = bytearray([END])
    for byte in content + CRC.compute(content).to_bytes(CRC_BYTES, "little"):
        if byte == END:
            wire += bytes([ESC, ESC_END])
        elif byte == ESC:
            wire += bytes([ESC, ESC_ESC])
        else:
            wire.append(byte)
    wire.append(END)
    return bytes(wire)


def decode_frame(wire: bytes) -> bytes | None:
    """The content of what stood between two END, or None if it is damaged."""
    # A stray ESC cannot be told from data by then, and a damaged frame does not pass its CRC either way.
    data = wire.replace(bytes([ESC, ESC_END]), bytes([END])).replace(bytes([ESC, ESC_ESC]), bytes([ESC]))
    content, crc = data[:-CRC_BYTES], data[-CRC_BYTES:]
    if not content or CRC.compute(content) != int.from_bytes(crc, "little"):
        return None
    return content


class Link:
    """A conversation with a board that holds one design.

    Parameters: `port`, as `open_port` gives; `inputs` and `outputs` of the design; its `design_hash`, 4
    bytes.
    """

    def __init__(self, port: Port, inputs: Tensor, outputs: Tensor, design_hash: bytes) -> None:
        self._port = port
        self._inputs = inputs
        self._outputs = outputs
        self._design_hash = design_hash
        self._sequence = 0

    def check_design(self) -> None:
        """Ask the board for its design.

        Raises `Refusal` if it holds another, or speaks another version of the protocol; `Shortfall` if it
        does not answer.
        """
        reply = self._ask(b"")
        version, design_hash = reply[0], reply[1:]
        if version != VERSION:
            raise Refusal(f"the board speaks version {version} of the link, this dnn2fpga version {VERSION}")
        if design_hash != self._design_hash:
            raise Refusal(f"the board holds design {design_hash.hex()}, not {self._design_hash.hex()}: flash it first")

    def infer(self, ints: Sequence[int]) -> tuple[list[int], int]:
        """The outputs for an image, and the clock cycles from its first word in to its last word out.

        Raises `Refusal` for an image that does not fit the design, and `Shortfall` if no attempt of several
        gets a good answer.
        """
        reply = self._ask(self._inputs.encode(ints))
        return self._outputs.decode(reply[CYCLES_BYTES:]), int.from_bytes(reply[:CYCLES_BYTES], "little")

    def _ask(self, payload: bytes) -> bytes:
        """What follows the status of the reply to `payload`."""
        if payload:
            expected = CYCLES_BYTES + self._outputs.values * self._outputs.bytes_per_value
        else:
            expected = 1 + HASH_BYTES
        longest = ATTEMPTS * len(encode_frame(bytes([END]) * (2 + expected)))  # all answers that may be on their way
        complaint = ""
        for _ in range(ATTEMPTS):
            self._sequence = (self._sequence + 1) % 256
            self._port.write(encode_frame(bytes([self._sequence]) + payload))
            complaint = "no answer"
            for content in self._frames(longest):
                sequence, status, rest = content[0], content[1:2], content[2:]
                if status == bytes([Status.OK]) and sequence == self._sequence and len(rest) == expected:
                    return rest
                if status == bytes([Status.BROKEN]):
                    complaint = "the board hears damaged frames"
                    break
                if status == bytes([Status.WRONG_LENGTH]) and sequence == self._sequence:
                    raise Refusal(f"the board holds another design: its images are not {len(payload)} bytes")
                complaint = "the answers are to other questions"
        raise Shortfall(f"the board did not answer in {ATTEMPTS} attempts: {complaint}")

    def _frames(self, longest: int) -> Iterator[bytes]:
        """Good frames, until the port has been silent for its timeout, or has given `longest` bytes."""
        wire = bytearray()
        for _ in range(longest):
            if not (byte := self._port.read(1)):
                return
            if byte[0] != END:
                wire += byte
                continue
            if wire and (content := decode_frame(bytes(wire))) is not None:
                yield content
            wire.clear()
