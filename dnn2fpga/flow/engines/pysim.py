"""Amaranth's own simulator: slow, needs nothing, and draws waveforms."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from amaranth import Cat
from amaranth.lib import wiring
from amaranth.sim import Simulator

from ..netlist import Flat
from .base import Bench, Engine, Moves

_PROGRESS = 64  # words between two calls of `progress`


@dataclass(frozen=True)
class Pysim(Engine):
    """Amaranth's simulator. `vcd` names a waveform file to write, at 100 MHz."""

    vcd: Path | None = None
    name = "pysim"
    threads = False  # of Python, which wait for each other

    def missing(self) -> str | None:
        """Nothing: it comes with Amaranth."""
        return None

    @contextmanager
    def _compiled(self, component: wiring.Component) -> Iterator[Callable[[Bench], Moves]]:
        yield partial(self._drive, component)

    def _drive(self, component: wiring.Component, bench: Bench) -> Moves:
        top = Flat(component)
        offered = [int.from_bytes(word.tobytes(), "little") for word in bench.words]
        came: list[int] = []
        taken: list[int] = []
        given: list[int] = []

        async def drive(ctx: Any) -> None:
            inputs = Cat(top.i_payload, top.i_valid, top.o_ready)
            width = len(top.i_payload)
            source_stalls, sink_stalls = bench.stalls.thresholds
            draws = bench.stalls.draws()
            valid = False
            cycle = moved = 0
            ctx.set(top.rst, 1)
            await ctx.tick()
            ctx.set(top.rst, 0)
            while len(taken) < bench.count_in or len(given) < bench.count_out:
                source, sink = next(draws), next(draws)
                valid = valid or (len(taken) < bench.count_in and source >= source_stalls)
                ready = sink >= sink_stalls
                word = offered[len(taken)]
                payload = word if valid else ~word & (1 << width) - 1
                ctx.set(inputs, payload | valid << width | ready << width + 1)
                if ready and ctx.get(top.o_valid):
                    moved = cycle
                    if len(given) < bench.count_out:
                        given.append(cycle)
                        came.append(ctx.get(top.o_payload))
                        if len(given) % _PROGRESS == 0:
                            bench.progress(len(given))
                if valid and ctx.get(top.i_ready):
                    moved = cycle
                    valid = False
                    taken.append(cycle)
                if cycle - moved >= bench.patience:
                    return
                cycle += 1
                await ctx.tick()

        simulator = Simulator(top)
        simulator.add_clock(1e-8)
        simulator.add_testbench(drive)
        with simulator.write_vcd(str(self.vcd)) if self.vcd else nullcontext():
            simulator.run()
        raw = b"".join(word.to_bytes(4 * bench.chunks_out, "little") for word in came)
        words = np.frombuffer(raw, "<u4").reshape(len(came), bench.chunks_out)
        return words, np.array(taken, np.int64), np.array(given, np.int64)
