"""Where the commands print: tables on standard output, progress on standard error; or one JSON object."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

FILE_WIDTH = 120
"""Columns where standard output is no terminal, and so has no width of its own."""


def bits(count: int) -> str:
    """So many bits, in words: small memories are not said to be 0 kbit."""
    return f"{count:,} bits" if count < 10_000 else f"{count / 1000:,.0f} kbit"


class Show:
    """Where the commands print. With `as_json` only `answer` reaches standard output."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        width = None if sys.stdout.isatty() else FILE_WIDTH
        self._out = Console(quiet=as_json, highlight=False, width=width)
        self._err = Console(stderr=True)

    def line(self, text: str = "") -> None:
        """A line for a person, broken nowhere: it may be a path to copy."""
        self._out.print(text, markup=False, soft_wrap=True)

    def table(self, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Rows for a person; the keys of the first are the heads. Text goes left, numbers go right."""
        table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
        for head, value in rows[0].items():
            is_text = isinstance(value, str | bool | None)
            table.add_column(head, justify="left" if is_text else "right", overflow="fold")
        for row in rows:
            table.add_row(*(_text(value) for value in row.values()))
        self._out.print(table)

    def facts(self, title: str, facts: Mapping[str, Any]) -> None:
        """Names and values, one a line."""
        self.line(title)
        widest = max(len(name) for name in facts)
        for name, value in facts.items():
            self.line(f"  {name:{widest}}  {_text(value)}")

    def error(self, message: str) -> None:
        """The one line on standard error."""
        print(f"dnn2fpga: {' '.join(message.split())}", file=sys.stderr)

    def answer(self, answer: Mapping[str, Any]) -> None:
        """The one object on standard output, for a machine."""
        if self.as_json:
            print(json.dumps(answer))

    @contextmanager
    def progress(self, what: str, total: int) -> Iterator[Callable[[int], object]]:
        """A bar on standard error, silent where that is no terminal; what it gives takes how much is done."""
        with self._bar(BarColumn(), MofNCompleteColumn()) as bar:
            task = bar.add_task(what, total=total)
            yield lambda done: bar.update(task, completed=done)

    @contextmanager
    def steps(self, first: str) -> Iterator[Callable[[str], None]]:
        """A spinner on standard error, silent where that is no terminal; what it gives takes the next one."""
        with self._bar() as bar:
            task = bar.add_task(first, total=None)
            yield lambda step: bar.update(task, description=step)

    def _bar(self, *measures: ProgressColumn) -> Progress:
        columns = [
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            *measures,
            TimeElapsedColumn(),
        ]
        return Progress(*columns, console=self._err, transient=True, disable=not self._err.is_terminal)


def _text(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
