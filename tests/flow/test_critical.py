"""The longest path is told in the names of components."""

from dnn2fpga.flow.critical import longest_path

CLOCK = "posedge $glbnet$clk"
WIRE = "posedge wire"
CLOCKS = {"$glbnet$clk": {"achieved": 75.0, "constraint": 80.0}, "wire": {"achieved": 30.0, "constraint": 25.0}}


def step(kind, delay, cell, to):
    return {"type": kind, "delay": delay, "from": {"cell": cell}, "to": {"cell": to}}


def path(delay, start, end, before=CLOCK, after=CLOCK):
    steps = [
        step("clk-to-q", 0.5, start, start),
        step("routing", delay, start, "middle_LUT4_C"),
        step("logic", 0.25, "middle_LUT4_C", "middle_LUT4_C"),
        step("routing", 1.0, "middle_LUT4_C", end),
        step("setup", 0.0, end, end),
    ]
    return {"from": before, "to": after, "path": steps}


def report(*paths):
    return {"fmax": CLOCKS, "critical_paths": list(paths)}


def test_names_the_components_and_the_share_of_wires():
    word = "pipeline.conv2d_1.sums.word_TRELLIS_FF_Q_1"
    lines = "pipeline.conv2d_1.window.lines.0.3_DOA15_TRELLIS_FF_Q"
    others = path(9.0, "c", "d", "<async>"), path(9.0, "e", "f", WIRE), path(9.0, "g", "h", WIRE, WIRE)
    said = "conv2d_1.sums.word to conv2d_1.window.lines, 6.0 ns, 5.2 of them wires"
    assert longest_path(report(path(1.0, "a", "b"), path(4.25, word, lines), *others)) == said


def test_blocks_and_memories_lose_what_synthesis_added():
    found = longest_path(report(path(1.0, "pipeline.dense.weights.rom0.0.14", "pipeline.dense.sums.term3.product$12")))
    assert found.startswith("dense.weights.rom0 to dense.sums.term3.product, ")


def test_says_nothing_where_no_path_is_told():
    assert longest_path(report()) is None
