"""Plans as pictures: well-formed, complete, nothing over anything else."""

from dataclasses import replace
from itertools import combinations
from xml.etree import ElementTree

import pytest

from dnn2fpga.draw import draw
from dnn2fpga.hw.plan import plan
from dnn2fpga.hw.resources import Device, Resources
from dnn2fpga.kinds import FOLDINGS
from dnn2fpga.rows import arrange

from .networks import Builder
from .test_branches import network

LARGE = Device("large", "ecp5", Resources(luts=80_000, ffs=80_000, dsps=156, brams=208))
APART = 5
"""Pixels between boxes and what is said beside arrows."""
SVG = "{http://www.w3.org/2000/svg}"


def planned(name):
    return plan(network(name)[1], FOLDINGS, LARGE)


def texts(root, style):
    return [text.text for text in root.iter(f"{SVG}text") if text.get("class") == style]


@pytest.mark.parametrize("name", ["residual", "concatenate, rows", "inputs and outputs"])
def test_shows_every_layer_once_marks_the_bottleneck_and_says_queues(name):
    chosen = planned(name)
    root = ElementTree.fromstring(draw(chosen))
    assert sorted(texts(root, "name")) == sorted(layer.node.name for layer in chosen.layers)
    slowest = max(layer.cycles for layer in chosen.layers)
    marked = [group for group in root.iter(f"{SVG}g") if group.get("class") == "layer bottleneck"]
    assert [group.find(f"{SVG}text[@class='name']").text for group in marked] == [
        layer.node.name for layer in chosen.layers if layer.cycles == slowest
    ]
    queues = [f"queue of {join.depth:,}" for layer in chosen.layers for join in layer.joins if join.depth]
    assert queues
    assert sorted(said for said in texts(root, "dim") if said.startswith("queue")) == sorted(queues)
    arrows = sum(len(layer.joins) for layer in chosen.layers) + 1
    assert len([path for path in root.iter(f"{SVG}path") if path.get("class") == "head"]) == arrows


@pytest.mark.parametrize("name", ["residual", "add", "inputs and outputs"])
def test_no_box_overlaps_another_or_leaves_the_picture(name):
    root = ElementTree.fromstring(draw(planned(name)))
    left, top, width, height = map(float, root.get("viewBox").split())
    boxes = [
        tuple(float(box.get(key)) for key in ("x", "y", "width", "height"))
        for box in root.iter(f"{SVG}rect")
        if box.get("class") in ("box", "end")
    ]
    assert all(left <= x and top <= y and x + w <= left + width and y + h <= top + height for x, y, w, h in boxes)
    for (x, y, w, h), (other_x, other_y, other_w, other_h) in combinations(boxes, 2):
        assert x + w <= other_x or other_x + other_w <= x or y + h <= other_y or other_y + other_h <= y


@pytest.mark.parametrize("name", ["residual", "inputs and outputs"])
def test_what_is_said_of_queues_stands_apart_from_boxes(name):
    chosen = planned(name)
    layers = tuple(
        replace(layer, joins=tuple(replace(join, depth=1000) for join in layer.joins)) for layer in chosen.layers
    )
    root = ElementTree.fromstring(draw(replace(chosen, layers=layers)))
    boxes, said = (
        [
            tuple(float(rect.get(key)) for key in ("x", "y", "width", "height"))
            for rect in root.iter(f"{SVG}rect")
            if rect.get("class") in classes and float(rect.get("y"))
        ]
        for classes in (("box", "end"), ("under",))
    )
    assert len(said) == 2 * sum(len(layer.joins) for layer in layers) + 1
    for x, y, w, h in said:
        for other_x, other_y, other_w, other_h in boxes:
            assert (
                x + w <= other_x or other_x + other_w <= x or y + h + APART <= other_y or other_y + other_h + APART <= y
            )


def test_names_may_hold_what_xml_does_not():
    chosen = plan(Builder((4,)).dense(3).quantized(), FOLDINGS)
    layer = chosen.layers[0]
    layer = replace(layer, node=replace(layer.node, name="<a&b>\0"))
    root = ElementTree.fromstring(draw(replace(chosen, name='"<&>', layers=(layer,))))
    assert texts(root, "name") == ["<a&b>\N{REPLACEMENT CHARACTER}"]
    assert texts(root, "title") == ['"<&>']


def test_a_line_goes_beside_the_boxes_that_it_passes():
    reads = {"a": (), "b": ("a",), "c": ("b",), "d": ("c", "a")}
    found = arrange(reads, dict.fromkeys(reads, 100.0), 20.0)
    assert [row[0] for row in found.rows] == ["a", "b", "c", "d"]
    start, *between, end = found.way("a", "d", 1)
    assert (start, end) == ("a", "d")
    for place, box in zip(between, "bc", strict=True):
        assert abs(found.x[place] - found.x[box]) >= 60
