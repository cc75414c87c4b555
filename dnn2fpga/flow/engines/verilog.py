"""What the Verilog simulators share: the Verilog, one test bench, and a trace read back from a file."""

import shutil
import tempfile
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from amaranth.lib import wiring

from ...errors import Refusal, Shortfall
from .. import toolchain
from ..netlist import verilog
from .base import Bench, Engine, Moves
from .lanes import Lanes

_TESTBENCH = Path(__file__).with_name("testbench.v")


class VerilogEngine(Engine):
    """A simulator of Verilog, run in a temporary folder."""

    tools: tuple[str, ...]  # beside Yosys, which writes the Verilog

    def missing(self) -> str | None:
        """Yosys, or the simulator."""
        try:
            for tool in ("yosys", *self.tools):
                toolchain.find(tool)
        except Refusal as refusal:
            return str(refusal)
        return None

    @abstractmethod
    def _build(self, parameters: dict[str, int], folder: Path) -> list[str]:
        """Compile `testbench.v` and `top.v` in `folder`: the command that runs them in any folder, but for plusargs."""

    @contextmanager
    def _compiled(self, component: wiring.Component) -> Iterator[Callable[[Bench], Moves]]:
        parameters = {"I_WIDTH": Lanes.of(component.i).bits, "O_WIDTH": Lanes.of(component.o).bits}
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "top.v").write_text(verilog(component, "top"), encoding="utf-8")
            shutil.copy(_TESTBENCH, folder)
            yield partial(self._drive, self._build(parameters, folder), folder)

    def _drive(self, command: list[str], folder: Path, bench: Bench) -> Moves:
        source_stalls, sink_stalls = bench.stalls.thresholds
        plusargs = {
            "count_in": bench.count_in,
            "count_out": bench.count_out,
            "source_stalls": source_stalls,
            "sink_stalls": sink_stalls,
            "patience": bench.patience,
            "seed": bench.stalls.seed,
        }
        own = folder / f"run_{bench.number}"
        own.mkdir()
        lines = (f"{int.from_bytes(word.tobytes(), 'little'):x}\n" for word in bench.words)
        (own / "words.hex").write_text("".join(lines), encoding="ascii")
        _watch([*command, *(f"+{key}={value}" for key, value in plusargs.items())], own, self.name, bench)
        return read_trace(own / "trace.txt", bench.chunks_out)


def _watch(command: list[str], folder: Path, name: str, bench: Bench) -> None:
    """Run the simulation to its end; the test bench reports by lines that hold a number."""
    log = []
    with bench.programs.run(bench.number, command, folder) as process:
        assert process.stdout is not None
        for line in process.stdout:
            log.append(line)
            if line.strip().isdecimal():
                bench.progress(int(line))
    if process.returncode != 0:
        raise toolchain.failure(name, process.returncode, "".join(log))


def read_trace(path: Path, chunks: int) -> Moves:
    """The words, `taken` and `given` of the lines `i <cycle>` and `o <cycle> <word in hexadecimal>`.

    Raises `Shortfall` for a word with undefined bits.
    """
    raw = bytearray()
    taken: list[int] = []
    given: list[int] = []
    with path.open(encoding="ascii") as lines:
        for line in lines:
            side, cycle, *word = line.split()
            if side == "i":
                taken.append(int(cycle))
                continue
            if set(word[0]) & set("xXzZ"):
                raise Shortfall(f"output word {len(given)} has undefined bits: {word[0]}")
            given.append(int(cycle))
            raw += int(word[0], 16).to_bytes(4 * chunks, "little")
    words = np.frombuffer(bytes(raw), "<u4").reshape(len(given), chunks)
    return words, np.array(taken, np.int64), np.array(given, np.int64)
