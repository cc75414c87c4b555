"""The whole command line, driven as a person would: answers, exit statuses, refusals."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import dnn2fpga as d2f
from dnn2fpga import commands, shipped
from dnn2fpga.cli import main
from dnn2fpga.dataset import read_dataset
from dnn2fpga.errors import Shortfall
from dnn2fpga.flow import program, toolchain
from dnn2fpga.flow.build import BuildResult
from dnn2fpga.flow.engines import ENGINES
from dnn2fpga.flow.simulate import Mismatch, Simulation
from dnn2fpga.hw.requantize import Rescale
from dnn2fpga.kinds import KINDS, LOWERED
from dnn2fpga.model.keras_refusals import ADVICE
from dnn2fpga.quant.graph import QGraph
from dnn2fpga.show import bits

from .networks import Builder

COMMANDS = ["demo", "quantize", "simulate", "plan", "verilog", "build", "flash", "verify", "boards", "layers"]
SIMULATED = {
    "engine", "images", "mismatches", "accuracy", "latency_cycles", "cycles_per_image", "images_per_second",
}  # fmt: skip
PLANNED = {"layers", "cycles_per_image", "latency_cycles", "luts", "ffs", "dsps", "brams"}
QUANTIZED = {"float_accuracy", "int_accuracy", "stage", "bytes_float", "bytes_int", "layers"}
BUILT = {
    "bitstream", "fmax_mhz", "seed", "luts", "ffs", "dsps", "brams", "cycles_per_image", "latency_cycles",
    "images_per_second", "latency_us",
}  # fmt: skip
IMAGES = 10


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a tiny float model, its integer model, and data for both."""
    folder = tmp_path_factory.mktemp("made")
    builder = Builder((6, 6, 1)).conv(2, (3, 3)).relu().pool((2, 2), (2, 2)).flatten().dense(3).softmax()
    x = builder.samples(IMAGES)
    qgraph = d2f.quantize(builder.graph(), x)
    d2f.save(builder.graph(), folder / "float")
    d2f.save(qgraph, folder / "q")
    np.savez(folder / "data.npz", x=x, y=qgraph.classify(qgraph.run(x)))
    np.savez(folder / "unlabeled.npz", x=x)
    return folder


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Where the commands run: an empty folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def answer(capsys):
    """Runs a command with `--json`; gives its one object and the status, progress being silent."""

    def run(*arguments):
        status = main([*map(str, arguments), "--json"])
        captured = capsys.readouterr()
        run.err = captured.err
        [line] = captured.out.splitlines()
        return json.loads(line), status

    return run


@pytest.fixture
def refused(capsys, here):
    """Runs a command that must be refused with status 2, one line, and nothing written; gives the line."""

    def run(*arguments):
        before = sorted(here.rglob("*"))
        assert main([*map(str, arguments), "--json"]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        [line] = captured.err.splitlines()
        assert line.startswith("dnn2fpga: ")
        assert sorted(here.rglob("*")) == before
        return line.removeprefix("dnn2fpga: ")

    return run


@pytest.fixture
def read(capsys):
    """Runs a command as a person does; gives what it prints."""

    def run(*arguments):
        assert main([*map(str, arguments)]) == 0
        captured = capsys.readouterr()
        assert captured.err == ""  # no terminal, no progress
        return captured.out

    return run


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A machine with no tool at all."""
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing" / "python"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for variable in ("YOSYS", "CXX", "VERILATOR", "IVERILOG", "OPENFPGALOADER"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def other_rounding(monkeypatch):
    """Hardware that rounds down where the reference rounds half up."""
    monkeypatch.setattr(Rescale, "addend", property(lambda self: self.offset))


@pytest.fixture
def quick_build(monkeypatch):
    """Builds that end at once, and leave what `verify` and `flash` need."""

    def build(pipeline, board, out, *, values_in, values_out, manifest, keep, progress):
        out.mkdir(parents=True, exist_ok=True)
        keep()
        progress("placing and routing")
        (out / "design.bit").touch()
        record = {
            "bitstream": "design.bit",
            "board": board.name,
            "loads_sram": True,
            "loader": ["-b", "ulx3s"],
        }
        (out / "build.json").write_text(json.dumps(record))
        return BuildResult(out / "design.bit", 80.0, 91.5, 1, luts=100, ffs=200, dsps=3, brams=4)

    monkeypatch.setattr("dnn2fpga.design.build", build)


# What is printed


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as exit:
        main(["--help"])
    assert exit.value.code == 0
    said = capsys.readouterr().out
    assert all(f"    {command} " in said for command in COMMANDS)
    assert "To begin: 'dnn2fpga demo'" in said


def test_without_a_command_there_is_help(read):
    assert read().startswith("usage: dnn2fpga")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as exit:
        main([command, "--help"])
    assert exit.value.code == 0
    assert "--json" in capsys.readouterr().out


def test_layers(answer, read):
    found, status = answer("layers")
    assert status == 0
    rows = {row["kind"]: row for row in found["layers"]}
    assert set(rows["max_pool2d"]) == {"kind", "keras", "activation", "hardware", "note", "refused"}
    assert rows["max_pool2d"]["keras"] == ["MaxPooling2D", "MaxPooling1D"]
    assert "Dropout" in found["dropped"]
    assert set(found["refused"]) == set(ADVICE)
    said = read("layers")
    assert "MaxPooling2D" in said
    assert "bilinear" in said
    assert "LSTM, GRU" in said
    assert "SpatialDropout2D" in said


def test_layers_names_every_keras_layer_and_activation_once(answer):
    rows = answer("layers")[0]["layers"]
    named = sorted(name for row in rows for name in row["keras"])
    assert named == sorted([*(kind.keras for kind in KINDS if kind.keras), *LOWERED])
    assert len(named) == len(set(named))
    activations = [row["activation"] for row in rows if row["activation"]]
    assert len(activations) == len(set(activations))


def test_boards(answer, read):
    found, status = answer("boards")
    assert status == 0
    assert {"board", "chip", "clock_mhz", "luts", "ffs", "dsps", "brams"} == set(found["boards"][0])
    assert "icebreaker" in read("boards")


def test_quantize(made, here, answer):
    found, status = answer("quantize", made / "float", "--data", made / "data.npz", "--out", "q")
    assert status == 0
    assert set(found) >= QUANTIZED
    assert found["stage"] == "ptq"
    assert found["bytes_int"] == sum(layer["bytes"] for layer in found["layers"])
    assert 0 <= found["int_accuracy"] <= 1
    assert isinstance(d2f.load(here / "q"), QGraph)


def test_quantize_says_what_is_kept_to_judge_on(made, read):
    said = read("quantize", made / "float", "--data", made / "data.npz", "--out", "q")
    assert "the last 2 of 10 samples are kept to judge on" in said
    assert "% quantized (after training)" in said


def test_quantize_without_labels_judges_nothing(made, answer, read):
    arguments = ("quantize", made / "float", "--data", made / "unlabeled.npz", "--out", "q")
    found, status = answer(*arguments)
    assert (status, found["float_accuracy"], found["int_accuracy"]) == (0, None, None)
    assert "not judged, no labels" in read(*arguments)


def test_quantize_to_other_widths(made, here, answer):
    options = ("--bits", 6, "--weight-bits", 4)
    answer("quantize", made / "float", "--data", made / "data.npz", "--out", "q", *options)
    first = d2f.load(here / "q").nodes[0]
    assert (first.i.bits, first.scalars["weight_bits"]) == (6, 4)


@pytest.mark.parametrize("stalls", [(), ("--stalls", 0.3, "--seed", 2)])
def test_simulate(made, answer, stalls):
    found, status = answer("simulate", made / "q", "--data", made / "data.npz", "--engine", "pysim", *stalls)
    assert status == 0
    assert set(found) == SIMULATED
    assert (found["engine"], found["images"], found["mismatches"]) == ("pysim", IMAGES, 0)
    assert found["accuracy"] == 1.0  # the labels are the model's own
    assert answer.err == ""


def test_simulate_makes_what_plan_shows(made, answer):
    target = ("--board", "ulx3s_85f", "--fps", 100_000)
    planned, _ = answer("plan", made / "q", *target)
    simulated, _ = answer(
        "simulate", made / "q", "--data", made / "data.npz", "--engine", "pysim", "--images", 4, *target
    )
    assert simulated["images"] == 4
    assert simulated["cycles_per_image"] == planned["cycles_per_image"]
    assert simulated["latency_cycles"] == planned["latency_cycles"]


def test_simulate_for_a_person(made, read):
    arguments = ("--data", made / "unlabeled.npz", "--engine", "pysim", "--images", 1)
    said = read("simulate", made / "q", *arguments)
    assert "0 mismatches in 1 images" in said
    assert "not judged, no labels" in said
    assert "not measured" in said  # one image has no interval


def test_simulate_writes_a_waveform(made, here, read):
    said = read("simulate", made / "q", "--data", made / "data.npz", "--images", 1, "--vcd", "wave.vcd")
    assert "waveform: wave.vcd" in said
    assert (here / "wave.vcd").stat().st_size > 1000


def test_a_mismatch_has_status_1_and_is_located(made, answer, other_rounding):
    found, status = answer("simulate", made / "q", "--data", made / "data.npz", "--engine", "pysim")
    assert status == 1
    assert set(found) == SIMULATED
    assert found["mismatches"] > 0
    [line] = answer.err.splitlines()
    assert line.startswith(f"dnn2fpga: {found['mismatches']} output integers differ; the first: image ")
    assert "layer 'conv2d_0', position (" in line
    assert "the hardware gives " in line


def test_plan(made, answer):
    found, status = answer("plan", made / "q", "--board", "icebreaker")
    assert status == 0
    assert set(found) >= PLANNED
    kinds = [layer["kind"] for layer in found["layers"]]
    assert kinds == ["conv2d", "max_pool2d", "dense", "softmax"]  # fused, ReLU; renaming axes, Flatten


def test_plan_for_a_person_is_whole_in_a_file(made, read):
    said = read("plan", made / "q")
    assert "max_pool2d_2" in said
    assert "1 → 1" in said
    assert "…" not in said


def test_plan_fits_a_terminal_of_80_columns(made, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["plan", str(made / "q"), "--board", "ulx3s_85f"]) == 0
    said = re.sub(r"\x1b\[\d*m", "", capsys.readouterr().out)
    table = said[: said.index("All layers")]
    assert max(map(len, table.splitlines())) <= 80
    assert "max_pool2d_2" in table


def test_amounts_of_bits_are_said_in_bits_or_kbit():
    assert [bits(count) for count in (0, 9_999, 10_000, 3_833_856)] == ["0 bits", "9,999 bits", "10 kbit", "3,834 kbit"]


def test_plan_says_how_full_its_block_rams_are(made, answer, capsys):
    planned, _ = answer("plan", made / "q", "--board", "ulx3s_85f")
    assert main(["plan", str(made / "q"), "--board", "ulx3s_85f"]) == 0
    kept, room = bits(sum(layer["memory_bits"] for layer in planned["layers"])), bits(planned["brams"] * 18_432)
    assert f"{kept} of weights and windows; the BRAMs hold {room}" in capsys.readouterr().out


def test_plan_draws(made, here, answer, read):
    drawn = answer("plan", made / "q", "--svg", "net.svg")
    assert drawn == answer("plan", made / "q")
    assert "</svg>" in (here / "net.svg").read_text()
    assert [path.name for path in here.iterdir()] == ["net.svg"]
    assert "drawn in net.svg" in read("plan", made / "q", "--svg", "net.svg")


def test_verilog(made, here, answer, read):
    found, status = answer("verilog", made / "q", "--out", "net.v")
    assert status == 0
    assert found["module"] == "dnn2fpga"
    assert {"clk", "rst"} <= set(found["ports"])
    assert "module dnn2fpga(" in (here / "net.v").read_text()
    assert sorted(path.name for path in here.iterdir()) == ["net.v"]
    assert "module dnn2fpga in net.v" in read("verilog", made / "q", "--out", "net.v")


def test_build_then_verify_and_flash(made, here, answer, read, quick_build, monkeypatch):
    found, status = answer("build", made / "q", "--board", "ulx3s_85f", "--out", "built")
    assert status == 0
    assert set(found) >= BUILT
    assert found["bitstream"] == "built/design.bit"
    assert found["latency_us"] == found["latency_cycles"] / 80
    assert found["images_per_second"] == 80e6 / found["cycles_per_image"]
    assert "80 MHz, routed for 91.5" in read("build", made / "q", "--board", "ulx3s_85f", "--out", "again")

    monkeypatch.setattr(commands, "verify_board", right_board)
    arguments = ("verify", "built", "--port", "/dev/ttyUSB0", "--data", made / "data.npz")
    found, status = answer(*arguments, "--images", 3)
    assert status == 0
    assert set(found) == SIMULATED
    assert (found["engine"], found["images"], found["accuracy"]) == ("board", 3, 1.0)
    assert "On ulx3s_85f at /dev/ttyUSB0" in read(*arguments)

    monkeypatch.setattr(commands, "verify_board", wrong_board)
    found, status = answer(*arguments)
    assert (status, found["mismatches"]) == (1, 1)
    assert "1 output integers differ; the first: image 2, layer 'softmax_5', position (1)" in answer.err

    ran = []
    monkeypatch.setattr(program.toolchain, "find", lambda tool: [tool])
    monkeypatch.setattr(program.toolchain, "run", lambda command, out, name: ran.append(command))
    assert answer("flash", "built") == ({"persistent": False}, 0)
    assert answer("flash", "built", "--persistent") == ({"persistent": True}, 0)
    assert ran == [["openFPGALoader", "-b", "ulx3s", mode, "design.bit"] for mode in ("-m", "-f")]


def right_board(qgraph, record, port, x, progress):
    return Simulation("board", qgraph.run(x), 0, None, 70, None, 0.5)


def wrong_board(qgraph, record, port, x, progress):
    wrong = Mismatch(2, qgraph.nodes[-1].name, (1,), 5, 6)
    return replace(right_board(qgraph, record, port, x, progress), mismatches=1, first=wrong)


def test_demo(here, read, quick_build, monkeypatch):
    monkeypatch.setattr(commands, "default_engine", lambda: ENGINES["pysim"])
    monkeypatch.setitem(commands.DEMO_IMAGES, "pysim", 1)
    said = read("demo", "--board", "icebreaker", "--out", "demo")
    assert [line[:2] for line in said.splitlines() if line[1:2] == "."] == ["1.", "2.", "3.", "4.", "5."]
    assert "0 mismatches in 1 images simulated" in said
    assert "dnn2fpga flash demo" in said
    assert (here / "demo" / "model" / "model.json").is_file()


def test_demo_for_a_machine(answer, quick_build, monkeypatch):
    monkeypatch.setattr(commands, "default_engine", lambda: ENGINES["pysim"])
    monkeypatch.setitem(commands.DEMO_IMAGES, "pysim", 1)
    found, status = answer("demo", "--board", "icebreaker", "--out", "demo")
    assert status == 0
    assert set(found) >= BUILT | {"float_accuracy", "int_accuracy", "images", "mismatches"}


# What falls short


def test_a_build_that_falls_short_still_gives_its_figures(made, answer, monkeypatch):
    def build(*arguments, **options):
        raise Shortfall("the design runs at 40.0 MHz at most", {"fmax_mhz": 40.0})

    monkeypatch.setattr("dnn2fpga.design.build", build)
    found, status = answer("build", made / "q", "--board", "ulx3s_85f", "--out", "built")
    assert (found, status) == ({"fmax_mhz": 40.0}, 1)
    assert answer.err == "dnn2fpga: the design runs at 40.0 MHz at most\n"


def test_a_tool_that_fails_is_one_line_and_a_log(made, answer, monkeypatch):
    def build(*arguments, **options):
        raise toolchain.ToolError("nextpnr-ecp5 failed with status 3: ERROR: no", "first\nERROR: no\n")

    monkeypatch.setattr("dnn2fpga.design.build", build)
    found, status = answer("build", made / "q", "--board", "ulx3s_85f", "--out", "built")
    assert status == 1
    [line] = answer.err.splitlines()
    assert line.startswith("dnn2fpga: nextpnr-ecp5 failed with status 3: ERROR: no; ")
    log = Path(found["log"])
    assert line.endswith(f" {log}")
    assert log.read_text() == "first\nERROR: no\n"
    log.unlink()


def test_an_interrupt_is_one_line(made, capsys, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "_simulate", interrupt)
    assert main(["simulate", str(made / "q"), "--data", str(made / "data.npz")]) == 130
    assert capsys.readouterr().err == "dnn2fpga: interrupted\n"


# What is refused


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fly"], "invalid choice: 'fly'"),
        (["plan"], "the following arguments are required: model"),
        (["plan", "q", "--speed", "3"], "unrecognized arguments: --speed 3"),
        (["plan", "q", "--boar", "icebreaker"], "unrecognized arguments: --boar"),
        (["build", "q", "--out", "b"], "the following arguments are required: --board"),
        (["simulate", "q", "--data", "d", "--engine", "modelsim"], "invalid choice: 'modelsim'"),
        (["quantize", "m", "--data", "d", "--out", "q", "--bits", "x"], "invalid int value: 'x'"),
        (["simulate", "q", "--data", "d", "--engine", "icarus", "--vcd", "w"], "--vcd needs the engine"),
        (["simulate", "q", "--data", "d", "--stalls", "1"], "--stalls must be from 0 to below 1, not 1.0"),
        (["simulate", "q", "--data", "d", "--stalls", "nan"], "--stalls must be from 0 to below 1"),
        (["simulate", "q", "--data", "d", "--stalls", "0.1", "--seed", "0"], "--seed must be from 1"),
        (["demo", "--board", "arty"], "board 'arty' is not known: ulx3s_12f"),
        (["plan", "nowhere"], "nowhere: there is no such file or folder"),
        (["flash", "nowhere"], "nowhere holds no finished build"),
        (["verify", "nowhere", "--port", "p", "--data", "d"], "nowhere holds no finished build"),
        (["quantize", "m.keras", "--data", "nowhere.npz", "--out", "q"], "nowhere.npz"),
    ],
)  # fmt: skip
def test_usage_and_missing_files(refused, arguments, said):
    assert said in refused(*arguments)


@pytest.mark.parametrize("command", ["plan", "simulate", "verilog", "build"])
def test_a_float_model_must_be_quantized_first(made, refused, command):
    more = {"simulate": ["--data", made / "data.npz"], "verilog": ["--out", "o"],
            "build": ["--board", "icebreaker", "--out", "o"]}  # fmt: skip
    said = refused(command, made / "float", *more.get(command, []))
    assert said.endswith("run dnn2fpga quantize first")


def test_a_keras_file_must_be_quantized_first(here, refused):
    (here / "m.keras").touch()
    assert refused("plan", "m.keras").endswith("run dnn2fpga quantize first")


def test_an_integer_model_is_not_quantized_again(made, refused):
    said = refused("quantize", made / "q", "--data", made / "data.npz", "--out", "again")
    assert "holds an integer model" in said


def test_a_keras_file_that_is_not_there(made, refused):
    said = refused("quantize", "no.keras", "--data", made / "data.npz", "--out", "q")
    assert "no.keras" in said or "TensorFlow" in said


def test_a_cut_keras_file(made, here, refused):
    pytest.importorskip("keras")
    (here / "cut.keras").write_bytes(b"PK\x03\x04 cut short")
    assert "cut.keras" in refused("quantize", "cut.keras", "--data", made / "data.npz", "--out", "q")


def test_a_kind_of_layer_that_is_not_supported(made, here, refused):
    _copy_with(made / "float", here / "m", lambda text: text.replace('"kind": "relu"', '"kind": "mish"'))
    said = refused("quantize", "m", "--data", made / "data.npz", "--out", "q")
    assert "relu_1" in said
    assert "mish" in said


@pytest.mark.parametrize("cut", [0, 40])
def test_a_description_cut_short(made, here, refused, cut):
    _copy_with(made / "q", here / "m", lambda text: text[:cut])
    assert "is not sound JSON" in refused("plan", "m")


def test_weights_that_are_not_finite(made, here, refused):
    _copy_with(made / "float", here / "m", lambda text: text)
    weights = dict(np.load(here / "m" / "weights.npz"))
    weights["dense_4/kernel"][0, 0] = np.nan
    np.savez(here / "m" / "weights.npz", **weights)
    said = refused("quantize", "m", "--data", made / "data.npz", "--out", "q")
    assert "dense_4" in said
    assert "NaN" in said or "finite" in said


def _copy_with(source, target, change):
    target.mkdir()
    (target / "model.json").write_text(change((source / "model.json").read_text()))
    (target / "weights.npz").write_bytes((source / "weights.npz").read_bytes())


BAD_DATA = {
    "shape": np.zeros((4, 5, 6, 1)),
    "empty": np.zeros((0, 6, 6, 1)),
    "NaN": np.full((4, 6, 6, 1), np.nan),
    "real numbers": np.full((4, 6, 6, 1), "x"),
}


@pytest.mark.parametrize("said", BAD_DATA)
def test_data_that_do_not_fit(made, here, refused, said):
    np.savez(here / "bad.npz", x=BAD_DATA[said])
    assert said in refused("quantize", made / "float", "--data", "bad.npz", "--out", "q")
    assert said in refused("simulate", made / "q", "--data", "bad.npz", "--engine", "pysim")


def test_data_to_judge_on_that_do_not_fit(made, here, refused):
    np.savez(here / "bad.npz", x_train=np.zeros((4, 6, 6, 1)), x_test=np.full((4, 6, 6, 1), np.nan))
    assert "NaN" in refused("quantize", made / "float", "--data", "bad.npz", "--out", "q")


def test_a_file_that_is_no_data(made, here, refused):
    (here / "bad.npz").write_text("no")
    assert "bad.npz" in refused("simulate", made / "q", "--data", "bad.npz")


@pytest.mark.parametrize("option", ["--bits", "--weight-bits", "--activation-bits"])
@pytest.mark.parametrize("bits", [0, 17])
def test_widths_that_are_not_supported(made, refused, option, bits):
    said = refused("quantize", made / "float", "--data", made / "data.npz", "--out", "q", option, bits)
    assert f"must be from 1 to 16 bits, not {bits}" in said


@pytest.mark.parametrize("images", [0, -1, IMAGES + 1])
def test_a_count_of_images_that_there_are_not(made, refused, images):
    said = refused("simulate", made / "q", "--data", made / "data.npz", "--images", images)
    assert f"--images must be from 1 to {IMAGES}, the samples there are, not {images}" in said


@pytest.mark.parametrize("command", [["plan"], ["build", "--out", "o"]])
def test_a_board_that_is_not_known(made, refused, command):
    assert "board 'arty' is not known" in refused(command[0], made / "q", "--board", "arty", *command[1:])


@pytest.mark.parametrize("command", [["plan"], ["build", "--out", "o"], ["verilog", "--out", "o"]])
def test_a_board_that_is_too_small(tmp_path, refused, command):
    samples = read_dataset(shipped.digits()).x_calibrate
    d2f.save(d2f.quantize(d2f.load(shipped.model_folder("mnist_cnn")), samples), tmp_path / "q")
    said = refused(command[0], tmp_path / "q", "--board", "icebreaker", *command[1:])
    assert "is too small" in said
    assert re.search(r"name a board that holds it: .*ulx3s_85f \([\d,]+ of [\d,]+ luts", said)


def test_a_model_that_no_board_holds(tmp_path, refused):
    d2f.save(Builder((600,)).dense(4000).quantized(), tmp_path / "q")
    said = refused("plan", tmp_path / "q", "--board", "ulx3s_85f")
    assert re.search(r"LFE5U-85F is too small: .* of \d+ brams; no board that we know holds it: .*fewer bits", said)


@pytest.mark.parametrize("most", ["lut=3", "luts", "luts=-4", "luts=1,,dsps=2"])
def test_limits_that_cannot_be_read(made, refused, most):
    assert "--most takes luts, ffs, dsps, brams, as luts=20000,dsps=11; not" in refused(
        "plan", made / "q", "--most", most
    )


def test_limits_are_kept(made, answer):
    limited, _ = answer("plan", made / "q", "--board", "ulx3s_85f", "--most", "dsps=5,brams=60")
    assert limited["dsps"] <= 5
    assert limited["brams"] <= 60


@pytest.mark.parametrize("fps", ["0", "-5", "nan", "1e9", "inf"])
def test_a_rate_that_cannot_be(made, refused, fps):
    said = refused("plan", made / "q", f"--fps={fps}")
    assert "fps must be above 0" in said or "do not fit" in said


def test_tools_that_are_not_installed(made, refused, bare):
    assert "yosys is needed and not installed: pip install" in refused("verilog", made / "q", "--out", "o")
    for engine in ("cxxrtl", "verilator", "icarus"):
        said = refused("simulate", made / "q", "--data", made / "data.npz", "--engine", engine)
        assert "not installed" in said


def test_files_that_cannot_be_written(made, here, refused):
    (here / "file").touch()
    data = ("--data", made / "data.npz")
    assert "file/q" in refused("quantize", made / "float", *data, "--out", "file/q")
    assert "there is no folder nowhere" in refused("verilog", made / "q", "--out", "nowhere/net.v")
    assert "there is no folder nowhere" in refused("plan", made / "q", "--svg", "nowhere/net.svg")
    assert "the name must end in .svg" in refused("plan", made / "q", "--svg", "net.png")
    assert "nowhere" in refused("simulate", made / "q", *data, "--images", 1, "--vcd", "nowhere/wave.vcd")
    assert "file/built" in refused("build", made / "q", "--board", "ulx3s_85f", "--out", "file/built")
