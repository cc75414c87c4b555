"""What a figure depends on."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dnn2fpga


def made_with(*packages: str) -> dict[str, Any]:
    """The commit, the machine, and versions."""
    package = Path(dnn2fpga.__file__).parent  # which need not be the one beside this script
    asked = ["git", "-C", str(package), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    return {
        "commit": commit.strip(), "python": platform.python_version(), "machine": platform.machine(),
        "cores": os.cpu_count(), **{name: version(name) for name in packages},
    }  # fmt: skip
