"""What is done to ECP5's netlists: the same circuit, with registers inside block RAMs and copies of what many read."""

import json

import pytest

from dnn2fpga.flow import toolchain
from dnn2fpga.flow.copies import copy_drivers
from dnn2fpga.flow.joints import Joints
from dnn2fpga.flow.mend import ANYWHERE, mend
from dnn2fpga.flow.output_registers import use_output_registers


def netlist(tmp_path, verilog):
    """The module `top` of a netlist, as Yosys makes it."""
    (tmp_path / "top.v").write_text(verilog)
    script = "read_verilog -sv top.v\nsynth_ecp5 -nowidelut -top top\nwrite_json top.json\n"
    toolchain.run_yosys(script, tmp_path)
    return json.loads((tmp_path / "top.json").read_text())["modules"]["top"]


def of_kind(module, kind):
    return [cell for cell in module["cells"].values() if cell["type"] == kind]


def memory(tmp_path, depth, width, behind):
    """A memory that is written and read: its word `d` goes to `q` as `behind` says, and a cycle later to `y`."""
    bits = depth.bit_length() - 2
    return netlist(tmp_path, f"""
    module top(input clk, rst, en, wr, input [{bits}:0] a, b, input [{width - 1}:0] x, output reg [{width - 1}:0] y);
      (* ram_style = "block", no_rw_check *) reg [{width - 1}:0] words [0:{depth - 1}];
      reg [{width - 1}:0] d, q, p;
      always @(posedge clk) begin
        if (wr) words[a] <= x;
        d <= words[b];
        y <= {"q ^ p" if "p <=" in behind else "q"};
      end
      {behind}
    endmodule
    """)  # fmt: skip


@pytest.mark.parametrize(("depth", "width"), [(2048, 9), (1024, 18), (512, 36), (1024, 50)])
def test_a_register_behind_a_block_ram_goes_into_it(tmp_path, depth, width):
    module = memory(tmp_path, depth, width, "always @(posedge clk) q <= d;")
    outputs = module["ports"]["y"]["bits"]
    behind = {cell["connections"]["DI"][0]: cell["connections"]["Q"] for cell in of_kind(module, "TRELLIS_FF")}
    pins = [
        (cell, port, bits[0])
        for cell in of_kind(module, "DP16KD")
        for port, bits in cell["connections"].items()
        if port.startswith("DO") and bits and bits[0] in behind
    ]
    assert len(pins) == width
    use_output_registers(Joints(module))
    for cell, port, bit in pins:
        assert cell["connections"][port] == behind[bit]
        assert cell["parameters"][f"REGMODE_{port[2]}"] == "OUTREG"
        assert cell["connections"][f"OCE{port[2]}"] == ["1"]
    assert [cell["connections"]["Q"][0] in outputs for cell in of_kind(module, "TRELLIS_FF")] == width * [True]


@pytest.mark.parametrize(
    "behind",
    [
        "always @(posedge clk) if (en) q <= d;",
        "always @(posedge clk) if (rst) q <= 0; else q <= d;",
        "always @(posedge clk) q <= d ^ a;",
        "always @(negedge clk) q <= d;",
        "always @(posedge en) q <= d;",
        "initial q = -1; always @(posedge clk) q <= d;",
        "always @(posedge clk) begin q <= d; if (en) p <= d; end",
    ],
    ids=["halted", "reset", "logic", "edge", "clock", "init", "one of two"],
)
def test_other_registers_stay_where_they_are(tmp_path, behind):
    module = memory(tmp_path, 1024, 18, behind)
    before = json.dumps(module)
    assert of_kind(module, "DP16KD")
    use_output_registers(Joints(module))
    assert json.dumps(module) == before


def test_what_many_read_is_copied(tmp_path):
    """Each copy is the same cell with the same inputs, and every reader reads one of them, as many as may at most."""
    most = 40
    n = 3 * most + 5
    module = netlist(tmp_path, f"""
    module top(input clk, rst, a, b, input [{n - 1}:0] x, output reg [{n - 1}:0] y, z);
      reg enable, select;
      always @(posedge clk) begin
        enable <= a; select <= a ^ b;
        if (enable) y <= x;
        if (a & b) z <= select ? x : ~y;
      end
    endmodule
    """)  # fmt: skip
    before = {name: json.loads(json.dumps(cell)) for name, cell in module["cells"].items()}
    outputs = {"TRELLIS_FF": "Q", "LUT4": "Z"}
    copy_drivers(Joints(module), most)
    original = {}  # of each net of a copy, the one copied
    for name, cell in module["cells"].items():
        if name not in before:
            copied = before[name.split("_copy")[0]]
            end = outputs[cell["type"]]
            original[cell["connections"][end][0]] = copied["connections"][end][0]
            same = {**cell, "connections": {**cell["connections"], end: copied["connections"][end]}}
            module["cells"][name] = same
            assert undone(same, original) == copied
    assert len(original) == 3 * 3  # of a register that enables, one that selects, and a LUT that enables
    for name, cell in before.items():
        assert undone(module["cells"][name], original) == cell
    for net in {*original, *original.values()}:
        readers = [1 for cell in module["cells"].values() for port, bits in cell["connections"].items()
                   for bit in bits if bit == net and cell["port_directions"][port] == "input"]  # fmt: skip
        assert most // 2 < len(readers) <= most


def test_what_leads_to_too_many_copies_is_copied_again(tmp_path):
    """A reset of some registers that each enable so many that there are copies of them: all are reset, by copies of it
    made before these and after.
    """
    most, enables, n = 8, 10, 96
    module = netlist(tmp_path, f"""
    module top(input clk, a, input [{enables - 1}:0] b, input [{n - 1}:0] x, output [{n * enables - 1}:0] y);
      reg clear;
      always @(posedge clk) clear <= a;
      generate for (genvar i = 0; i < {enables}; i++) begin
        reg enable; reg [{n - 1}:0] word;
        always @(posedge clk) begin
          if (clear) enable <= 0; else enable <= b[i] ^ x[0];
          if (enable) word <= x ^ i;
        end
        assign y[i * {n} +: {n}] = word;
      end endgenerate
    endmodule
    """)  # fmt: skip
    joints = Joints(module)
    copy_drivers(joints, most)
    resets = {cell["connections"]["LSR"][0] for cell in of_kind(module, "TRELLIS_FF") if "LSR" in cell["connections"]}
    readers = [len(joints.readers[bit]) for bit in resets if bit != "0"]
    assert sum(readers) == enables * n / most
    assert max(readers) <= most
    assert every_net_has_a_driver(module)


def every_net_has_a_driver(module):
    driven, read = set(), set()
    for port in module["ports"].values():
        (driven if port["direction"] == "input" else read).update(port["bits"])
    for cell in module["cells"].values():
        for port, bits in cell["connections"].items():
            (driven if cell["port_directions"][port] == "output" else read).update(bits)
    return {bit for bit in read if isinstance(bit, int)} <= driven


def test_a_copy_is_read_by_one_part_of_the_design(tmp_path):
    """Of which there are three here, two of them with less than a copy's fill."""
    module = netlist(tmp_path, """
    module part #(parameter N = 1) (input clk, en, input [N-1:0] x, output y);
      reg [N-1:0] word;
      always @(posedge clk) if (en) word <= x;
      assign y = ^word;
    endmodule
    module top(input clk, a, input [63:0] x, output [2:0] y);
      reg enable;
      always @(posedge clk) enable <= a;
      part #(10) one(clk, enable, x[9:0], y[0]);
      part #(50) two(clk, enable, x[59:10], y[1]);
      part #(4) three(clk, enable, x[63:60], y[2]);
    endmodule
    """)  # fmt: skip
    joints = Joints(module)
    copy_drivers(joints, 40)
    enables = {cell["connections"]["CE"][0] for cell in of_kind(module, "TRELLIS_FF") if "CE" in cell["connections"]}
    readers = [[joints.name(pin.cell).split(".")[0] for pin in joints.readers[bit]] for bit in enables]
    assert sorted(readers) == [["one"] * 10, ["three"] * 4, ["two"] * 25, ["two"] * 25]


def test_a_lut_of_a_dense_design_leads_to_one_part_of_it(tmp_path):
    """One enables two here: each part has its own, then."""
    netlist(tmp_path, """
    module part(input clk, en, input [9:0] x, output y);
      reg [9:0] word;
      always @(posedge clk) if (en) word <= x;
      assign y = ^word;
    endmodule
    module top(input clk, a, b, input [19:0] x, output [1:0] y);
      reg asks, may;
      always @(posedge clk) begin asks <= a; may <= b; end
      part one(clk, asks & may, x[9:0], y[0]);
      part two(clk, asks & may, x[19:10], y[1]);
    endmodule
    """)  # fmt: skip
    path, enables = tmp_path / "top.json", []
    for dense in (False, True):
        mend(path, dense)
        module = json.loads(path.read_text())["modules"]["top"]
        assert every_net_has_a_driver(module)
        parts = {name.split(".")[0]: cell["connections"]["CE"][0] for name, cell in module["cells"].items()
                 if cell["type"] == "TRELLIS_FF" and name.startswith(("one.", "two."))}  # fmt: skip
        enables.append(len(set(parts.values())))
    assert enables == [1, 2]


def test_a_dense_design_has_more_copies(tmp_path):
    """What leads to 60 pins is copied there alone."""
    netlist(tmp_path, """
    module top(input clk, a, input [59:0] x, output reg [59:0] y);
      reg enable;
      always @(posedge clk) begin enable <= a; if (enable) y <= x; end
    endmodule
    """)  # fmt: skip
    path, registers = tmp_path / "top.json", []
    for dense in (False, True):
        mend(path, dense)
        registers.append(len(of_kind(json.loads(path.read_text())["modules"]["top"], "TRELLIS_FF")))
    assert registers == [61, 62]


def test_a_dense_design_tells_the_placer_where_its_multipliers_may_go(tmp_path):
    netlist(tmp_path, "module top(input a, output y); assign y = ~a; endmodule")
    path, settings = tmp_path / "top.json", []
    for dense in (False, True):
        mend(path, dense)
        settings.append(json.loads(path.read_text())["modules"]["top"].get("settings"))
    assert settings == [None, ANYWHERE]


def test_a_lut_memory_is_as_many_pins_as_it_is_luts(tmp_path):
    """25 memories of 4 LUTs each read an address of 4 bits."""
    module = netlist(tmp_path, """
    module top(input clk, input [3:0] a, input [99:0] x, output reg [99:0] y);
      (* ram_style = "distributed" *) reg [99:0] words [0:15];
      reg [3:0] at;
      always @(posedge clk) begin at <= a; words[a] <= x; y <= words[at]; end
    endmodule
    """)  # fmt: skip
    assert len(of_kind(module, "TRELLIS_DPR16X4")) == 25
    registers = len(of_kind(module, "TRELLIS_FF"))
    copy_drivers(Joints(module), 100)
    assert len(of_kind(module, "TRELLIS_FF")) == registers
    copy_drivers(Joints(module), 99)
    assert len(of_kind(module, "TRELLIS_FF")) == registers + 4


def undone(cell, original):
    """A cell that reads what was copied instead of the copies."""
    ends = {port: [original.get(bit, bit) for bit in bits] for port, bits in cell["connections"].items()}
    return {**cell, "connections": ends}
