from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(name):
    """What an example prints."""
    done = subprocess.run([sys.executable, EXAMPLES / name], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_hand_made_draws_a_disk_and_a_box():
    box = [line[8:] for line in run("hand_made.py").splitlines()[1:7]]
    assert box == ["(^^^^^^)", "((    ))", "((    ))", "((    ))", "((    ))", "(vvvvvv)"]


def test_embedded_counts_the_one_seven():
    assert "counted     1 sevens" in run("embedded.py")


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_every_example_says_how_to_run_it(path):
    assert f"python examples/{path.name}" in path.read_text(encoding="utf-8")
