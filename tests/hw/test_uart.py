import pytest
from amaranth.sim import Simulator

from dnn2fpga.errors import Refusal
from dnn2fpga.hw.uart import UartRx, UartTx, divisor_for


def levels(data: bytes, divisor: float, idle_bits: float = 0) -> list[int]:
    """The wire's level at each clock; a bit of the sender lasts `divisor` clocks, perhaps a fraction."""
    bits = []
    for byte in data:
        bits += [0, *((byte >> bit) & 1 for bit in range(8)), 1] + [1] * int(idle_bits)
    return [bits[int(clock / divisor)] for clock in range(int(len(bits) * divisor))]


def received(divisor: int, wire: list[int]) -> bytes:
    dut = UartRx(divisor)
    got = bytearray()

    async def bench(ctx):
        for level in wire + [1] * 12 * divisor:
            ctx.set(dut.rx, level)
            await ctx.tick()
            if ctx.get(dut.o.valid):
                got.append(ctx.get(dut.o.payload))

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    return bytes(got)


@pytest.mark.parametrize("divisor", [4, 5, 8, 13])
def test_receives_every_byte_back_to_back(divisor):
    data = bytes(range(256))
    assert received(divisor, [1] * 5 + levels(data, divisor)) == data


@pytest.mark.parametrize("error", [-0.02, 0.02])
@pytest.mark.parametrize("divisor", [8, 50])
def test_receives_from_a_sender_off_by_2_percent(divisor, error):
    data = bytes(range(0, 256, 5))
    assert received(divisor, [1] * 5 + levels(data, divisor * (1 + error))) == data


def test_a_spike_is_no_byte():
    assert received(8, [1] * 5 + [0] * 2 + [1] * 20 + levels(b"a", 8)) == b"a"


def test_a_byte_without_stop_bit_is_dropped():
    # A line held low, then idle, then a good byte.
    assert received(8, [1] * 5 + [0] * 200 + [1] * 10 + levels(b"a", 8)) == b"a"


@pytest.mark.parametrize("divisor", [4, 7])
def test_sends_what_a_receiver_hears(divisor):
    data = bytes(range(256))
    dut = UartTx(divisor)
    wire = []

    async def source(ctx):
        ctx.set(dut.i.valid, 1)
        for byte in data:
            ctx.set(dut.i.payload, byte)
            await ctx.tick().until(dut.i.ready)
        ctx.set(dut.i.valid, 0)
        await ctx.tick().repeat(11 * divisor)

    async def probe(ctx):
        while True:
            wire.append(ctx.get(dut.tx))
            await ctx.tick()

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(source)
    sim.add_testbench(probe, background=True)
    sim.run()
    assert wire[0] == 1
    assert received(divisor, wire) == data
    # 10 bits a byte, and the idle clocks of loading the next.
    assert len(wire) <= len(data) * (10 * divisor + 1) + 12 * divisor


def test_divisor_for():
    assert divisor_for(12e6, 115200) == 104
    assert divisor_for(25e6, 1_000_000) == 25
    with pytest.raises(Refusal, match="8000000 baud needs a clock of at least 32 MHz"):
        divisor_for(25e6, 8_000_000)
    with pytest.raises(Refusal, match="a clock of 12 MHz cannot make 2200000 baud: the nearest is 2400000"):
        divisor_for(12e6, 2_200_000)


@pytest.mark.parametrize("component", [UartRx, UartTx])
@pytest.mark.parametrize("divisor", [3, 8.5, "8"])
def test_refuses_a_bad_divisor(component, divisor):
    with pytest.raises(ValueError, match=f"divisor must be an integer of at least 4, not {divisor!r}"):
        component(divisor)
