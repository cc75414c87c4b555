"""Reading NumPy's `.npz` archives whole, with one line for each way in which that can fail."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from ..errors import Refusal


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an archive by name. Raises `Refusal` if it is missing, damaged, or holds objects."""
    if not path.is_file():
        raise Refusal(f"{path}: no such file")
    if not zipfile.is_zipfile(path):  # the directory of a zip archive stands at its end
        raise Refusal(f"{path}: is cut off, or not an .npz file; write it with numpy.savez")
    try:
        # objects are pickles, which can run any code when they are read
        with np.load(path, allow_pickle=False) as archive:
            return dict(archive)
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        reason = "it holds Python objects" if "allow_pickle" in str(error) else "it is damaged"
        raise Refusal(f"{path}: cannot be read, since {reason}; write plain arrays with numpy.savez") from None
