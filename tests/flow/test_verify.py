"""The comparison of a board with the reference, over a link that needs no board."""

from __future__ import annotations

import numpy as np
import pytest

from dnn2fpga.errors import Refusal
from dnn2fpga.flow import verify as module
from dnn2fpga.flow.verify import verify_board, verify_link

from ..networks import Builder

CYCLES = (90, 70, 80)


class FakeLink:
    """A board that holds `qgraph`, but for `wrong`: what to add to which output of which image."""

    def __init__(self, qgraph, wrong=None, other_design=False):
        self.qgraph, self.wrong, self.other_design = qgraph, wrong or {}, other_design
        self.images = 0

    def check_design(self):
        if self.other_design:
            raise Refusal("the board holds another design")

    def infer(self, ints):
        q = np.array(ints, np.int64).reshape(1, *self.qgraph.input_shape)
        row = self.qgraph.run_integers(q).reshape(-1).tolist()
        for (image, at), by in self.wrong.items():
            if image == self.images:
                row[at] += by
        cycles = CYCLES[self.images % len(CYCLES)]
        self.images += 1
        return row, cycles


@pytest.fixture(scope="module")
def network():
    builder = Builder((4, 4, 1)).conv(2, (3, 3))
    return builder.quantized(), builder.samples(3)


def test_a_right_board_is_equal_and_its_own_cycles_are_told(network):
    qgraph, x = network
    told = []
    result = verify_link(qgraph, FakeLink(qgraph), x, told.append)
    assert (result.outputs == qgraph.run(x)).all()
    assert result.outputs.shape == (3, 2, 2, 2)
    assert (result.engine, result.images, result.mismatches, result.first) == ("board", 3, 0, None)
    assert result.latency_cycles == 80  # the median
    assert result.cycles_per_image is None
    assert result.images_per_second > 0
    assert told == [1, 2, 3]


def test_a_wrong_integer_is_counted_and_the_first_is_named(network):
    qgraph, x = network
    result = verify_link(qgraph, FakeLink(qgraph, {(1, 6): 5, (2, 0): -1}), x, lambda done: None)
    assert result.mismatches == 2
    right = int(qgraph.run(x)[1, 1, 1, 0])
    assert result.first.image == 1
    assert result.first.layer == qgraph.nodes[-1].name
    assert result.first.position == (1, 1, 0)
    assert (result.first.expected, result.first.found) == (right, right + 5)


def test_a_board_with_another_design_is_not_sent_a_single_image(network):
    qgraph, x = network
    link = FakeLink(qgraph, other_design=True)
    with pytest.raises(Refusal, match="another design"):
        verify_link(qgraph, link, x, lambda done: None)
    assert link.images == 0


def test_data_that_do_not_fit_are_refused_before_the_board_is_asked(network):
    qgraph, _ = network
    link = FakeLink(qgraph)
    with pytest.raises(Refusal, match="shape"):
        verify_link(qgraph, link, np.zeros((2, 5, 5, 1)), lambda done: None)
    assert link.images == 0


def test_a_board_has_the_time_that_an_image_takes_it(monkeypatch, network):
    told = {}

    def open_port(name, baud, busy_s):
        told[name, baud] = busy_s
        raise Refusal("no such port")

    monkeypatch.setattr(module, "open_port", open_port)
    tensor = {"values": 16, "bits": 9, "signed": True}
    link = {"baud": 1000, "inputs": tensor, "outputs": tensor}
    record = {"link": link, "design_hash": "00000000", "latency_cycles": 5_000_000, "clock_mhz": 2.5}
    qgraph, x = network
    with pytest.raises(Refusal, match="no such port"):
        verify_board(qgraph, record, "tty", x, lambda done: None)
    assert told == {("tty", 1000): 2 + 0.64}  # 2 bytes of 10 bits a value, each escaped
