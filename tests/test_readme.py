"""What README says is so: its Python runs, and its commands exist."""

import re
from pathlib import Path

import pytest

import dnn2fpga as d2f
from dnn2fpga import cli, shipped
from dnn2fpga.dataset import read_dataset

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def test_the_python_example_runs(monkeypatch):
    """As written, but for the Keras file, the fast engine and the minutes of building."""
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    data = read_dataset(shipped.digits())
    built = []
    monkeypatch.setattr(d2f, "from_keras", lambda path: d2f.load(shipped.model_folder("mnist_mlp")))
    monkeypatch.setattr(d2f.Design, "build", lambda self, out: built.append(out))
    names = {"samples": data.x_calibrate, "images": data.x_judge[:1]}
    exec(code, names)
    assert (names["result"].outputs == names["qgraph"].run(names["images"])).all()
    assert built == ["build/"]


@pytest.mark.parametrize("command", sorted(set(re.findall(r"^dnn2fpga (\w+)", README, re.MULTILINE))))
def test_every_command_in_it_is_one(command, capsys):
    with pytest.raises(SystemExit) as end:  # an unknown one is refused, and does not end the program here
        cli.main([command, "--help"])
    assert end.value.code == 0
