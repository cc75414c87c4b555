"""Programs that run at once, in threads of ours, and can be ended from another thread."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


class Ended(Exception):
    """What is raised in the thread of a run that was ended, as it is of no use any more."""


class Programs:
    """Runs, each with a number, that go on until they are done or ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: float = float("inf")
        self._running: dict[int, subprocess.Popen[str]] = {}

    @contextmanager
    def run(self, number: int, command: Sequence[str], cwd: Path) -> Iterator[subprocess.Popen[str]]:
        """A program, waited for at the end of the block, with all that it says on its standard output.

        What the block raises kills it. Raises `Ended`, before or at the end of the block, if the run was ended.
        """
        with self._lock:
            self.check(number)
            process = self._running[number] = subprocess.Popen(
                command,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
            )
        try:
            with process:
                try:
                    yield process
                except BaseException:
                    process.kill()  # or else it would be waited for
                    raise
        finally:
            with self._lock:
                del self._running[number]
        self.check(number)

    def check(self, number: int) -> None:
        """Raise `Ended` in a run that was ended."""
        if number > self._last:
            raise Ended

    def end_above(self, number: int) -> None:
        """End all runs with higher numbers, and let none begin."""
        with self._lock:
            self._last = min(self._last, number)
            for other, process in self._running.items():
                if other > number:
                    process.kill()
