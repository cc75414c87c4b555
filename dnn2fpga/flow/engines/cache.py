"""Compiled simulators, kept in the user's cache folder under what they were compiled from."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from ...errors import Refusal


def cached(sources: Iterable[str], compile_in: Callable[[Path], Path]) -> Path:
    """The file that `compile_in` makes of `sources`, made only if it is not there yet.

    `sources` is all that the outcome depends on: texts, flags, the compiler and its version. `compile_in` is
    given an empty temporary folder and returns a file in it. Files stand in `$XDG_CACHE_HOME/dnn2fpga`, else
    in `~/.cache/dnn2fpga`; deleting them is always safe.

    Raises `Refusal` where that folder cannot be written.
    """
    digest = hashlib.sha256("\0".join(sources).encode()).hexdigest()
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dnn2fpga"
    kept = folder / digest
    if kept.exists():
        return kept
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = tempfile.TemporaryDirectory(dir=folder)
    except OSError as error:
        raise Refusal(f"cannot write to {folder} ({error.strerror}): set XDG_CACHE_HOME") from error
    with temporary as name:
        compile_in(Path(name)).replace(kept)  # all at once: another process may be looking
    return kept
