"""The longest path is told in the names of components."""

from dnn2fpga.flow.critical import longest_path

CLOCK = "posedge $glbnet$clk"


def step(kind, delay, cell, to):
    return {"type": kind, "delay": delay, "from": {"cell": cell}, "to": {"cell": to}}


def path(delay, start, end, before=CLOCK):
    steps = [
        step("clk-to-q", 0.5, start, start),
        step("routing", delay, start, "middle_LUT4_C"),
        step("logic", 0.25, "middle_LUT4_C", "middle_LUT4_C"),
        step("routing", 1.0, "middle_LUT4_C", end),
        step("setup", 0.0, end, end),
    ]
    return {"from": before, "to": CLOCK, "path": steps}


def test_names_the_components_and_the_share_of_wires():
    word = "pipeline.conv2d_1.sums.word_TRELLIS_FF_Q_1"
    lines = "pipeline.conv2d_1.window.lines.0.3_DOA15_TRELLIS_FF_Q"
    report = {"critical_paths": [path(1.0, "a", "b"), path(4.25, word, lines), path(9.0, "c", "d", "<async>")]}
    said = "conv2d_1.sums.word to conv2d_1.window.lines, 6.0 ns, 5.2 of them wires"
    assert longest_path(report) == said


def test_blocks_and_memories_lose_what_synthesis_added():
    report = {"critical_paths": [path(1.0, "pipeline.dense.weights.rom0.0.14", "pipeline.dense.sums.term3.product$12")]}
    assert longest_path(report).startswith("dense.weights.rom0 to dense.sums.term3.product, ")


def test_says_nothing_of_a_design_without_registers():
    assert longest_path({"critical_paths": []}) is None
