"""Work that may take too long: done in a process of its own, which a limit of time ends with all that it began."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any


class TooLong(Exception):
    """The limit was reached."""


def within(minutes: float, work: Callable[[], Any]) -> Any:
    """What `work` gives. Raises `TooLong`, and `RuntimeError` with what it said if it fails."""
    context = multiprocessing.get_context("fork")  # so that `work` need not be pickled
    answer, giver = context.Pipe(duplex=False)
    process = context.Process(target=_do, args=(work, giver))
    process.start()
    giver.close()
    try:
        if not answer.poll(minutes * 60):
            raise TooLong
        failed, result = answer.recv()
    except EOFError:
        raise RuntimeError("it ended without an answer") from None
    finally:
        _end(process)
    if failed:
        raise RuntimeError(result)
    return result


def _do(work: Callable[[], Any], giver: Connection) -> None:
    os.setsid()  # a group, which can be ended as one
    try:
        giver.send((False, work()))
    except Exception as error:
        giver.send((True, f"{type(error).__name__}: {error}"))


def _end(process: Any) -> None:
    if process.is_alive():
        process.join(1)
    if process.is_alive():
        os.killpg(process.pid, signal.SIGKILL)
    process.join()
