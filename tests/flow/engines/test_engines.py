"""All engines give the same words in the same cycles, and keep the rules of streams."""

import importlib.util
import os
import sys
import threading
import time

import numpy as np
import pytest
from amaranth import Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from dnn2fpga.errors import Refusal, Shortfall
from dnn2fpga.flow.engines import ENGINES, Part, Pysim, Stalls, cxxrtl, default_engine
from dnn2fpga.flow.engines.verilog import read_trace
from dnn2fpga.hw.stream import MasterSlave, Narrow, Widen, connect, lanes

STALLS = Stalls(0.3, 0.4, 7)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """A cache of compiled simulators of our own, empty at first."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder / "dnn2fpga"


@pytest.fixture(params=list(ENGINES))
def engine(request):
    """Each engine in turn, skipped with its own reason."""
    return usable(request.param)


def usable(name):
    if missing := ENGINES[name].missing():
        pytest.skip(missing)
    return ENGINES[name]


def values(shape, n, words):
    """Random words of `n` lanes, the extremes among them."""
    low, high = (-(1 << shape.width - 1), (1 << shape.width - 1) - 1) if shape.signed else (0, (1 << shape.width) - 1)
    drawn = np.random.default_rng(1).integers(low, high, (words, n), endpoint=True)
    drawn[0], drawn[1] = low, high
    return drawn


def octets(words):
    """Random words of one unsigned lane of 8 bits."""
    return values(unsigned(8), 1, words)


class Chain(wiring.Component):
    """Five words of 33 bits into one of 165, and out again in four of 44: odd widths all the way."""

    def __init__(self):
        super().__init__({"i": In(lanes(signed(11), 3)), "o": Out(lanes(signed(11), 4))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.widen = widen = Widen(signed(11), 3, 5)
        m.submodules.buffer = buffer = MasterSlave(signed(11), 15)
        m.submodules.narrow = narrow = Narrow(signed(11), 15, 4)
        connect(m, wiring.flipped(self.i), widen.i)
        connect(m, widen.o, buffer.i)
        connect(m, buffer.o, narrow.i)
        connect(m, narrow.o, wiring.flipped(self.o))
        return m

    @staticmethod
    def compute(words):
        """What comes out."""
        groups = words.reshape(-1, 15)
        return np.pad(groups, [(0, 0), (0, 1)]).reshape(-1, 4)


class Through(wiring.Component):
    """Wires, and a payload that is wrong for one value; valid looks at nothing but valid."""

    def __init__(self, wrong=None):
        self.wrong = wrong
        super().__init__({"i": In(lanes(unsigned(8), 1)), "o": Out(lanes(unsigned(8), 1))})

    def elaborate(self, platform):
        m = Module()
        value = self.i.payload[0]
        if self.wrong is not None:
            value = Mux(value == self.wrong, value ^ 1, value)
        m.d.comb += [
            self.o.payload[0].eq(value),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready),
        ]
        return m


class Watched(wiring.Component):
    """Gives for each word: broken rules so far, the payload in the cycle before, clock edges so far."""

    def __init__(self):
        super().__init__({"i": In(lanes(unsigned(13), 1)), "o": Out(lanes(unsigned(16), 3))})

    def elaborate(self, platform):
        m = Module()
        waiting, payload, broken, edges = Signal(), Signal(13), Signal(16), Signal(16, reset_less=True)
        m.d.sync += [
            waiting.eq(self.i.valid & ~self.i.ready),
            payload.eq(self.i.payload[0]),
            edges.eq(edges + 1),
        ]
        with m.If(waiting & (~self.i.valid | (self.i.payload[0] != payload))):
            m.d.sync += broken.eq(broken + 1)
        m.d.comb += [
            self.o.payload[0].eq(broken),
            self.o.payload[1].eq(payload),
            self.o.payload[2].eq(edges),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready),
        ]
        return m


class Deaf(wiring.Component):
    """Takes `room` words and gives them, and then neither takes nor gives any more."""

    def __init__(self, room):
        self.room = room
        super().__init__({"i": In(lanes(unsigned(8), 1)), "o": Out(lanes(unsigned(8), 1))})

    def elaborate(self, platform):
        m = Module()
        taken = Signal(range(self.room + 1))
        more = taken != self.room
        m.d.comb += [
            self.o.payload.eq(self.i.payload),
            self.o.valid.eq(self.i.valid & more),
            self.i.ready.eq(self.o.ready & more),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += taken.eq(taken + 1)
        return m


def same(trace, other):
    return all(np.array_equal(getattr(trace, key), getattr(other, key)) for key in ("words", "taken", "given"))


@pytest.mark.parametrize("stalls", [None, STALLS], ids=["flowing", "stalled"])
def test_words_and_cycles_agree(engine, stalls):
    component = Chain()
    words = values(signed(11), 3, 60)
    trace = engine.run(component, words, 48, stalls=stalls)
    assert np.array_equal(trace.words, Chain.compute(words))
    assert same(trace, Pysim().run(component, words, 48, stalls=stalls))


# Verilator compiles for seconds, so these leave it to the chain above, which holds the same parts.
@pytest.mark.parametrize("name", ["cxxrtl", "icarus"])
@pytest.mark.parametrize("stalls", [None, Stalls(0.5, 0, 1), Stalls(0, 0.5, 99)])
@pytest.mark.parametrize(
    ("part", "shape", "n", "count"),
    [
        (lambda: MasterSlave(signed(13), 7), signed(13), 7, 30),
        (lambda: Widen(unsigned(1), 1, 3), unsigned(1), 1, 10),
        (lambda: Narrow(signed(64), 4, 2), signed(64), 4, 60),
        (lambda: Through(), unsigned(8), 1, 30),
    ],
    ids=["MasterSlave", "Widen", "Narrow", "Through"],
)
def test_words_and_cycles_agree_on_parts(name, part, shape, n, count, stalls):
    words = values(shape, n, 30)
    engine = usable(name)
    expected = Pysim().run(part(), words, count, stalls=stalls)
    assert np.array_equal(expected.words.ravel(), words.ravel())
    assert same(engine.run(part(), words, count, stalls=stalls), expected)


def test_without_stalls_a_word_goes_every_cycle():
    trace = Pysim().run(MasterSlave(signed(8), 3), values(signed(8), 3, 20), 20)
    assert trace.taken.tolist() == list(range(20))
    assert trace.given.tolist() == list(range(1, 21))


def test_stalls_come_as_often_as_asked():
    words = octets(4000)
    # Through wires, a word goes when neither side pauses: the waits of the source add to those for the sink.
    source = Pysim().run(Through(), words, 4000, stalls=Stalls(0.25, 0, 3)).taken
    sink = Pysim().run(Through(), words, 4000, stalls=Stalls(0, 0.5, 3)).taken
    assert 4000 / source[-1] == pytest.approx(0.75, abs=0.03)
    assert 4000 / sink[-1] == pytest.approx(0.5, abs=0.03)


def test_another_seed_is_another_schedule():
    words = octets(100)
    one, other = (Pysim().run(Through(), words, 100, stalls=Stalls(0.5, 0.5, seed)) for seed in (1, 2))
    assert not np.array_equal(one.taken, other.taken)


@pytest.mark.parametrize("name", ["pysim", "cxxrtl", "icarus"])
def test_the_source_keeps_the_rules_of_streams(name):
    trace = usable(name).run(Watched(), values(unsigned(13), 1, 300), 300, stalls=Stalls(0.3, 0.7, 5))
    broken, _, edges = trace.words.T
    assert not broken.any()
    assert np.array_equal(edges, trace.given + 1)  # one edge came before edge 0: the one in reset


@pytest.mark.parametrize("name", ["pysim", "cxxrtl", "icarus"])
def test_a_payload_that_is_not_valid_is_the_complement_of_what_comes(name):
    words = values(unsigned(13), 1, 300)
    trace = usable(name).run(Watched(), words, 300, stalls=Stalls(0.5, 0, 5))
    before = trace.words[1:, 1]  # the payload in the cycle before each word, in which nothing waited
    paused = np.diff(trace.taken) > 1
    assert paused.any()
    assert np.array_equal(before, np.where(paused, words[1:, 0] ^ 0x1FFF, words[:-1, 0]))


@pytest.mark.parametrize("name", ["pysim", "cxxrtl", "icarus"])
def test_a_wrong_component_gives_other_words(name):
    words = np.arange(50)[:, np.newaxis]
    trace = usable(name).run(Through(wrong=33), words, 50)
    assert np.flatnonzero(trace.words != words).tolist() == [33]


@pytest.mark.parametrize("name", ["pysim", "cxxrtl", "icarus"])
def test_a_deadlock_is_a_shortfall_that_says_how_far_it_came(name):
    with pytest.raises(Shortfall) as shortfall:
        usable(name).run(Deaf(5), octets(9), 9, patience=300)
    said = "no word moved for 300 cycles, after 5 of 9 words went in and 5 of 9 came out"
    assert str(shortfall.value) == said
    assert shortfall.value.figures == {"taken": 5, "given": 5}


@pytest.mark.parametrize("name", ["pysim", "cxxrtl", "icarus"])
def test_a_pause_shorter_than_patience_is_none(name):
    words = octets(40)
    usable(name).run(Through(), words, 40, stalls=Stalls(0, 0.9, 1), patience=100)
    with pytest.raises(Shortfall):
        usable(name).run(Through(), words, 40, stalls=Stalls(0, 0.9, 1), patience=3)


@pytest.mark.parametrize("name", ["pysim", "cxxrtl", "icarus"])
def test_all_words_are_taken_and_further_ones_dropped(name):
    words = octets(20)
    trace = usable(name).run(Through(), words, 4)
    assert (len(trace.taken), len(trace.given)) == (20, 4)
    assert np.array_equal(trace.words, words[:4])


@pytest.mark.parametrize("name", ["pysim", "cxxrtl", "icarus"])
def test_no_words_at_all(name):
    trace = usable(name).run(Through(), np.zeros((0, 1), int), 0)
    assert (trace.words.shape, len(trace.taken), len(trace.given)) == ((0, 1), 0, 0)


@pytest.mark.parametrize("name", ["pysim", "cxxrtl", "icarus"])
def test_progress_is_told(name):
    told = []
    words = octets(5000)
    usable(name).run(Through(), words, 5000, progress=told.append)
    assert len(told) > 1
    assert told == sorted(told)
    assert 0 < told[0] < told[-1] <= 5000


@pytest.mark.parametrize("name", ["pysim", "cxxrtl", "icarus"])
def test_progress_may_break_off_at_once(name):
    def stop(done):
        raise InterruptedError

    start = time.monotonic()
    with pytest.raises(InterruptedError):
        usable(name).run(Deaf(64), octets(99), 99, patience=10**8, progress=stop)
    assert time.monotonic() - start < 20  # seconds; all that patience would take minutes


@pytest.mark.parametrize("stalls", [None, STALLS], ids=["flowing", "stalled"])
def test_a_part_is_a_run_of_its_own(engine, stalls):
    component = Chain()
    words = values(signed(11), 3, 75)
    parts = [Part(words[:30], 24), Part(words[30:60], 24), Part(words[60:], 12)]
    traces = engine.run_parts(component, parts, stalls=stalls)
    assert len(traces) == 3
    for number, (part, trace) in enumerate(zip(parts, traces, strict=True)):
        alone = stalls and stalls.of_part(number)
        assert same(trace, Pysim().run(component, part.words_in, part.count_out, stalls=alone))


def test_each_part_has_other_pauses_and_the_first_those_asked_for():
    assert STALLS.of_part(0) == STALLS
    seeds = [Stalls(seed=seed).of_part(part).seed for seed in (1, 2, (1 << 32) - 1) for part in range(100)]
    assert len(set(seeds)) == len(seeds)


@pytest.mark.parametrize("name", ["pysim", "cxxrtl", "icarus"])
def test_the_progress_of_parts_is_told_together(name):
    told = []
    usable(name).run_parts(Through(), [Part(octets(5000), 5000)] * 3, progress=told.append)
    assert told == sorted(told)
    assert 5000 < told[-1] <= 15000


@pytest.mark.parametrize("name", ["pysim", "cxxrtl", "icarus"])
def test_a_part_that_fails_ends_the_others(name, monkeypatch):
    def stop(done):
        if done >= 64:
            raise InterruptedError

    monkeypatch.setattr("joblib.cpu_count", lambda: 2)
    engine = usable(name)
    engine.run(Deaf(64), octets(64), 64)  # compiled
    threads = set(threading.enumerate())
    start = time.monotonic()
    stuck = Part(octets(10), 11)  # which has patience for minutes
    with pytest.raises(InterruptedError):
        engine.run_parts(Deaf(64), [Part(octets(99), 99), stuck], patience=10**8, progress=stop)
    while set(threading.enumerate()) - threads:
        assert time.monotonic() - start < 20
        time.sleep(0.01)


def test_undefined_bits_are_a_shortfall(tmp_path):
    (tmp_path / "trace.txt").write_text("i 0\no 1 2a\no 2 x7\n")
    with pytest.raises(Shortfall, match=r"^output word 1 has undefined bits: x7$"):
        read_trace(tmp_path / "trace.txt", chunks=1)


@pytest.mark.parametrize(
    ("pauses", "said"),
    [
        ({"input": 1.5}, "input must be a probability, 0 to 1, not 1.5"),
        ({"output": -0.1}, "output must be a probability, 0 to 1, not -0.1"),
        ({"seed": 0}, r"seed must be 1 to 2\*\*32 - 1, not 0"),
        ({"seed": 1 << 32}, r"seed must be 1 to 2\*\*32 - 1, not 4294967296"),
    ],
)
def test_bad_stalls_are_refused_by_name(pauses, said):
    with pytest.raises(ValueError, match=f"^{said}$"):
        Stalls(**pauses)


def test_a_waveform_is_written_whole(tmp_path):
    path = tmp_path / "wave.vcd"
    Pysim(vcd=path).run(MasterSlave(signed(8), 1), np.arange(5)[:, np.newaxis], 5)
    text = path.read_text()
    assert "$enddefinitions" in text
    assert "i_payload" in text
    assert text.rstrip().rsplit("#", 1)[1].split()[0].isdecimal()


def test_a_waveform_is_written_of_a_deadlock_too(tmp_path):
    path = tmp_path / "wave.vcd"
    with pytest.raises(Shortfall):
        Pysim(vcd=path).run(Deaf(1), octets(5), 5, patience=10)
    assert "$enddefinitions" in path.read_text()


class Apart(wiring.Component):
    """A register in a module that stays one of its own in C++, as arithmetic in floating point does."""

    def __init__(self):
        super().__init__({"i": In(lanes(unsigned(8), 1)), "o": Out(lanes(unsigned(8), 1))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.float_apart = apart = MasterSlave(unsigned(8), 1)
        connect(m, wiring.flipped(self.i), apart.i)
        connect(m, apart.o, wiring.flipped(self.o))
        return m


@pytest.mark.parametrize(("component", "passes"), [(Chain(), True), (Watched(), True), (Apart(), False)])
def test_one_pass_gives_what_two_do(tmp_path, monkeypatch, component, passes):
    engine = usable("cxxrtl")
    shape, n, count = (
        (signed(11), 3, 48) if isinstance(component, Chain) else (component.i.payload.shape().elem_shape, 1, 60)
    )
    words = values(shape, n, 60)
    found, takes_one_pass = [], cxxrtl._takes_one_pass
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "one"))
    monkeypatch.setattr(cxxrtl, "_takes_one_pass", lambda code: found.append(takes_one_pass(code)) or found[-1])
    trace = engine.run(component, words, count, stalls=STALLS)
    assert found == [passes]
    monkeypatch.setattr(cxxrtl, "_takes_one_pass", lambda code: False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "two"))
    assert same(engine.run(component, words, count, stalls=STALLS), trace)


def test_the_second_run_compiles_nothing(cache, monkeypatch):
    engine = usable("cxxrtl")
    words = values(unsigned(3), 5, 10)
    first = engine.run(MasterSlave(unsigned(3), 5), words, 10)
    kept = set(os.listdir(cache))
    monkeypatch.setattr(cxxrtl.toolchain, "run_yosys", lambda *args: pytest.fail("compiles again"))
    assert same(engine.run(MasterSlave(unsigned(3), 5), words, 10, stalls=Stalls()), first)
    assert set(os.listdir(cache)) == kept


def test_another_component_is_compiled_anew(cache):
    engine = usable("cxxrtl")
    engine.run(Through(wrong=1), octets(5), 5)
    kept = set(os.listdir(cache))
    engine.run(Through(wrong=2), octets(5), 5)
    assert len(set(os.listdir(cache)) - kept) == 1


def test_a_cache_that_cannot_be_written_is_refused(monkeypatch, tmp_path):
    engine = usable("cxxrtl")
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(Refusal, match=r"^cannot write to .*/file/dnn2fpga \(.*\): set XDG_CACHE_HOME$"):
        engine.run(Through(), octets(5), 5)


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A machine without tools."""
    for variable in ("YOSYS", "CXX", "IVERILOG", "VVP", "VERILATOR", "MAKE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("name", ["cxxrtl", "verilator", "icarus"])
def test_an_engine_without_its_tools_refuses(name):
    missing = "yosys is needed and not installed: pip install 'dnn2fpga[toolchain]'"
    assert ENGINES[name].missing() == missing
    with pytest.raises(Refusal) as refusal:  # before it even looks at the component
        ENGINES[name].run(None, octets(5), 5)
    assert str(refusal.value) == missing


@pytest.mark.usefixtures("bare")
def test_pysim_is_the_default_without_tools_and_runs():
    assert default_engine() is ENGINES["pysim"]
    default_engine().run(Through(), octets(5), 5)


def test_cxxrtl_is_the_default_where_it_runs():
    assert default_engine() is usable("cxxrtl")
