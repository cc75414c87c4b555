"""What a person sees: tables on standard output, progress on standard error; or one JSON object for a machine."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table


class Show:
    """Where the commands print. With `as_json` only `answer` reaches standard output."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self._out = Console(quiet=as_json, highlight=False, soft_wrap=True)
        self._err = Console(stderr=True, highlight=False, soft_wrap=True)

    def line(self, text: str = "") -> None:
        """A line for a person."""
        self._out.print(text, markup=False)

    def table(self, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Rows for a person; the keys of the first are the heads."""
        table = Table(title=title, title_justify="left", title_style="bold")
        for key, value in rows[0].items():
            table.add_column(key.replace("_", " "), justify="left" if isinstance(value, str) else "right")
        for row in rows:
            table.add_row(*(_text(value) for value in row.values()))
        self._out.print(table)

    def facts(self, title: str, facts: Mapping[str, Any]) -> None:
        """Names and values, one a line."""
        table = Table(title=title, title_justify="left", title_style="bold", show_header=False, box=None)
        for name, value in facts.items():
            table.add_row(name, _text(value))
        self._out.print(table)

    def error(self, message: str) -> None:
        """The one line on standard error."""
        print(f"dnn2fpga: {' '.join(message.split())}", file=sys.stderr)

    def answer(self, answer: Mapping[str, Any]) -> None:
        """The one object on standard output, for a machine."""
        if self.as_json:
            print(json.dumps(answer, default=str))

    @contextmanager
    def progress(self, what: str, total: int | None = None) -> Iterator[Callable[[int], object]]:
        """A bar on standard error, or a spinner without `total`; silent where that is no terminal.

        Gives a function that takes how much is done.
        """
        columns = [SpinnerColumn(), TextColumn("{task.description}")]
        columns += [BarColumn(), MofNCompleteColumn()] if total else []
        bar = Progress(*columns, TimeElapsedColumn(), console=self._err, transient=True, disable=not self._err.is_terminal)
        with bar:
            task = bar.add_task(what, total=total)
            yield lambda done: bar.update(task, completed=done)


def _text(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
