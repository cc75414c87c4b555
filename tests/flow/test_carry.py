"""ECP5's adders as we map them: proven equal to Yosys's own arithmetic, whatever is carried into them."""

import json

import pytest

from dnn2fpga.flow import carry, toolchain
from dnn2fpga.flow.joints import Joints

WIDTHS = range(1, 12)


def sums() -> str:
    """A module with every kind of adder that Amaranth makes, in all widths: signs, differences, constants, orders."""
    ports, body = [], []
    for n in WIDTHS:
        for sign in ("", "signed"):
            a, b = (f"{name}_{n}_{sign}" for name in "ab")
            terms = {
                "add": f"{a} + {b}", "sub": f"{a} - {b}", "const": f"{a} + {min(11, (1 << n) // 2)}",
                "from": f"5 - {b}", "minus": f"-{a}", "less": f"{a} < {b}", "most": f"{a} >= {b}",
                "three": f"{a} + {b} + 1", "either": f"{a}[0] ? {a} + {b} : {a} - {b}",
            }  # fmt: skip
            ports += [f"input {sign} [{n - 1}:0] {name}" for name in (a, b)]
            for name, term in terms.items():
                y = f"{name}_{n}_{sign}"
                ports.append(f"output {sign} [{n}:0] {y}")
                body.append(f"assign {y} = {term};")
    return f"module sums({', '.join(ports)});\n" + "\n".join(body) + "\nendmodule\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with `gold.v` and the mapped `top.json`, as it goes to nextpnr."""
    folder = tmp_path_factory.mktemp("adders")
    (folder / "gold.v").write_text(sums())
    (folder / carry.ADDERS.name).write_text(carry.ADDERS.read_text())
    toolchain.run_yosys(
        f"read_verilog gold.v\n{carry.synthesis('-nodsp -nowidelut -top sums')}write_json top.json\n", folder
    )
    netlist = json.loads((folder / "top.json").read_text())
    carry.loosen(Joints(netlist["modules"]["sums"]))
    (folder / "top.json").write_text(json.dumps(netlist))
    return folder


def carry_cells(folder):
    """The carry cells, each with its name."""
    parts = json.loads((folder / "top.json").read_text())["modules"]["sums"]["cells"]
    return [{**cell, "name": name} for name, cell in parts.items() if cell["type"] == "CCU2C"]


@pytest.mark.parametrize("carried_in", "01")
def test_the_sums_are_the_same_whatever_is_carried_in(made, carried_in):
    module = json.loads((made / "top.json").read_text())["modules"]["sums"]
    for cell in module["cells"].values():
        del cell["attributes"]["module_not_derived"]  # or else all cells have the default parameters
        for end, instead in (("CIN", [carried_in]), ("COUT", [])):
            if cell["connections"].get(end) == ["x"]:
                cell["connections"][end] = instead
    (made / "gate.json").write_text(json.dumps({"modules": {"sums": module}}))  # the cells come with their logic below
    script = (
        "read_json gate.json\nread_verilog -icells +/ecp5/common_sim.vh +/ecp5/ccu2c_sim.vh\n"
        "hierarchy -top sums\nproc\nflatten\nopt -full\n"
        "rename sums gate\nread_verilog gold.v\nproc\nrename sums gold\n"
        "miter -equiv -flatten gold gate both\nhierarchy -top both\nopt -full\n"
        "sat -verify -prove trigger 0 both\n"
    )
    toolchain.run_yosys(script, made)


def test_chains_start_by_themselves(made):
    assert sum(cell["connections"]["CIN"] == ["x"] for cell in carry_cells(made)) > 50


def test_no_constant_is_carried_in(made):
    named = {cell["name"] for cell in carry_cells(made) if cell["connections"]["CIN"] in (["0"], ["1"])}
    assert not {name for name in named if not name.startswith("minus")}  # Yosys makes those later


def test_no_carry_goes_out_unread(made):
    outs = [cell["connections"]["COUT"][0] for cell in carry_cells(made)]
    joints = Joints(json.loads((made / "top.json").read_text())["modules"]["sums"])
    assert all(joints.is_read(out) for out in outs if out != "x")
    assert "x" in outs
