"""Virtual environments of the peers, whose versions do not go together with ours or with one another's.

Each is made once, of `bench/peers/requirements-NAME.txt`, in the cache folder; deleting it is always safe.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

PEERS = Path(__file__).parent / "peers"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dnn2fpga" / "peers"


class NotHere(Exception):
    """A peer cannot be run on this machine; the message says in one line why."""


def python_of(name: str) -> Path:
    """The Python of the peer's environment, made if it is not there yet. Raises `NotHere` if it cannot be."""
    if sys.version_info < (3, 11):
        raise NotHere(f"the versions of {name} that were chosen need Python 3.11")
    requirements = PEERS / f"requirements-{name}.txt"
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = CACHE / f"{name}-{digest}"
    made = folder / "made"
    if not made.exists():
        print(f"  installing {name} in {folder}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        try:
            venv.create(folder, with_pip=True)
            pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            done = subprocess.run([*pip, "-r", str(requirements)], capture_output=True, text=True, check=False)
        except (OSError, subprocess.CalledProcessError) as error:
            raise NotHere(f"no environment for {name} can be made: {error}") from error
        if done.returncode:
            raise NotHere(f"{name} cannot be installed: {_last_line(done.stderr)}")
        made.touch()
    return folder / "bin" / "python"


def needs(*programs: str) -> None:
    """Raises `NotHere` where a program is missing."""
    if missing := [name for name in programs if not shutil.which(name)]:
        raise NotHere(f"{', '.join(missing)} not installed: apt install {' '.join(missing)}")


def run(python: Path, script: str, arguments: list[str], log: Path) -> str:
    """The last line that a script of `bench/peers` prints; all else it says goes to `log`.

    Raises `RuntimeError` where it fails.
    """
    command = [str(python), str(PEERS / script), *arguments]
    with log.open("w") as errors:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=log.parent, check=False)
    if done.returncode:
        raise RuntimeError(f"{script} failed: {_last_line(log.read_text())}")
    return _last_line(done.stdout)


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
