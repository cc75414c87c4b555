"""A constant matrix as a graph of adders: each product by a constant is a few shifted additions, shared among outputs.

Pure data. The graph comes from alkaid where that is installed (Sun et al., "da4ml", arXiv:2507.04535), which looks for
parts that several outputs have in common; without it from the canonical signed digits of each weight (Avizienis, 1961),
added up in pairs.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from amaranth import Shape

from .fixed import maximum, minimum, shape_for

try:
    from alkaid.cmvm import QInterval, cmvm_solve
except ImportError:
    cmvm_solve = None


@dataclass(frozen=True)
class Addition:
    """`(values[left] << left_shift) ± (values[right] << right_shift)`; one of the shifts is 0."""

    left: int
    left_shift: int
    right: int
    right_shift: int
    minus: bool


@dataclass(frozen=True)
class Output:
    """`values[value] << shift`; None for an output that is always 0."""

    value: int | None
    shift: int = 0


@dataclass(frozen=True, eq=False)
class AdderGraph:
    """`x @ kernel` for inputs of shape `x`: the first values are the inputs, each addition makes one more."""

    kernel: np.ndarray
    x: Shape
    additions: tuple[Addition, ...]
    outputs: tuple[Output, ...]

    @cached_property
    def coefficients(self) -> np.ndarray:
        """Of each value `(values, k)`, what it is of the inputs."""
        k = len(self.kernel)
        rows = np.zeros((k + len(self.additions), k), np.int64)
        rows[np.arange(k), np.arange(k)] = 1
        for at, add in enumerate(self.additions, k):
            left, right = rows[add.left] << add.left_shift, rows[add.right] << add.right_shift
            rows[at] = left - right if add.minus else left + right
        return rows

    @cached_property
    def shapes(self) -> list[Shape]:
        """Of each value the narrowest shape that holds all that it can be."""
        positive, negative = np.maximum(self.coefficients, 0).sum(1), np.minimum(self.coefficients, 0).sum(1)
        low, high = minimum(self.x), maximum(self.x)
        least, greatest = positive * low + negative * high, positive * high + negative * low
        return [shape_for(*pair) for pair in zip(least.tolist(), greatest.tolist(), strict=True)]

    @cached_property
    def levels(self) -> list[int]:
        """Of each value how many additions lie before it, on the longest way."""
        found = [0] * len(self.kernel)
        for add in self.additions:
            found.append(1 + max(found[add.left], found[add.right]))
        return found

    @cached_property
    def depth(self) -> int:
        """Levels of additions, one at least."""
        return max(1, *self.levels)

    @cached_property
    def needed_until(self) -> list[int]:
        """Of each value the last level at which it is still there: an output is needed at the end."""
        last = list(self.levels)
        for at, add in enumerate(self.additions, len(self.kernel)):
            for source in (add.left, add.right):
                last[source] = max(last[source], self.levels[at] - 1)
        for output in self.outputs:
            if output.value is not None:
                last[output.value] = self.depth
        return last

    @cached_property
    def adder_widths(self) -> list[int]:
        """Of each addition how many bits are added: those below a shift only pass."""
        k = len(self.kernel)
        return [
            self.shapes[at].width - (0 if add.minus and add.left_shift else add.left_shift + add.right_shift)
            for at, add in enumerate(self.additions, k)
        ]

    @cached_property
    def registers(self) -> int:
        """Flip-flops, those of values that wait included."""
        waits = zip(self.shapes, self.levels, self.needed_until, strict=True)
        held = sum(shape.width * (last - level) for shape, level, last in waits)
        return held + sum(shape.width for shape in self.shapes[len(self.kernel) :])


def graph_of(kernel: np.ndarray, x: Shape) -> AdderGraph:
    """The graph of a kernel `(k, channels)` of integers, for inputs of shape `x`."""
    return _graph_of(kernel.astype(np.int64).tobytes(), kernel.shape, x)


@lru_cache(maxsize=64)
def _graph_of(data: bytes, shape: tuple[int, int], x: Shape) -> AdderGraph:
    kernel = np.frombuffer(data, np.int64).reshape(shape)
    builder = _Builder(len(kernel))
    outputs = _shared(builder, kernel, x) if cmvm_solve else [builder.total(_digits(c)) for c in kernel.T.tolist()]
    graph = builder.finished(kernel, x, outputs)
    assert (_kernel_of(graph) == kernel).all()  # whatever the optimizer did
    return graph


def _kernel_of(graph: AdderGraph) -> np.ndarray:
    """The kernel that a graph computes."""
    zero = np.zeros(len(graph.kernel), np.int64)
    columns = [
        zero if output.value is None else graph.coefficients[output.value] << output.shift for output in graph.outputs
    ]
    return np.stack(columns, axis=1)


def digits(value: int) -> list[tuple[int, int]]:
    """The canonical signed digits of an integer that are not 0, as (exponent, ±1): no two are neighbors."""
    found, at = [], 0
    while value:
        if value & 1:
            digit = 2 - (value & 3)
            found.append((at, digit))
            value -= digit
        value >>= 1
        at += 1
    return found


def count_digits(kernel: np.ndarray) -> int:
    """How many canonical signed digits all weights have together: `3·|w| xor |w|` has a bit for each."""
    magnitude = np.abs(kernel.astype(np.int64))
    bits = (3 * magnitude) ^ magnitude
    return int(np.unpackbits(np.frombuffer(bits.tobytes(), np.uint8)).sum())


@dataclass(frozen=True)
class _Term:
    """`±(values[value] << shift)`."""

    value: int
    shift: int = 0
    negative: bool = False


class _Builder:
    """Additions, each made once, however often it is asked for."""

    def __init__(self, inputs: int) -> None:
        self.inputs = inputs
        self.made: dict[Addition, int] = {}
        self.levels = [0] * inputs

    def add(self, a: _Term, b: _Term) -> _Term:
        """The sum of two terms; it is negative only if both are."""
        if (a.negative and not b.negative) or (a.negative == b.negative and (a.shift, a.value) > (b.shift, b.value)):
            a, b = b, a
        low = min(a.shift, b.shift)
        addition = Addition(a.value, a.shift - low, b.value, b.shift - low, a.negative != b.negative)
        return _Term(self._made(addition), low, a.negative and b.negative)

    def _made(self, addition: Addition) -> int:
        """The value that an addition gives, made if it is not there yet."""
        if addition not in self.made:
            self.made[addition] = len(self.levels)
            self.levels.append(1 + max(self.levels[addition.left], self.levels[addition.right]))
        return self.made[addition]

    def total(self, terms: Iterable[_Term]) -> _Term | None:
        """The sum of any number of terms: always those two that are there first."""
        waiting = [(self.levels[term.value], at, term) for at, term in enumerate(terms)]
        heapq.heapify(waiting)
        count = len(waiting)
        while len(waiting) > 1:
            (_, _, a), (_, _, b) = heapq.heappop(waiting), heapq.heappop(waiting)
            both = self.add(a, b)
            heapq.heappush(waiting, (self.levels[both.value], count, both))
            count += 1
        return waiting[0][2] if waiting else None

    def output(self, term: _Term | None) -> Output:
        """An output that is a term."""
        if term is None:
            return Output(None)
        return Output(self.negated(term.value) if term.negative else term.value, term.shift)

    def negated(self, value: int) -> int:
        """The value that is minus another: a difference the other way round, or `v - 2v`."""
        if value >= self.inputs:
            add = list(self.made)[value - self.inputs]
            if add.minus:
                swapped = Addition(add.right, add.right_shift, add.left, add.left_shift, True)
                return self._made(swapped)
        return self._made(Addition(value, 0, value, 1, True))

    def finished(self, kernel: np.ndarray, x: Shape, terms: Iterable[_Term | None]) -> AdderGraph:
        """The graph, without additions that nothing needs."""
        outputs = [self.output(term) for term in terms]
        additions = list(self.made)
        needed = {output.value for output in outputs}
        for at in range(self.inputs + len(additions) - 1, self.inputs - 1, -1):
            if at in needed:
                add = additions[at - self.inputs]
                needed.update((add.left, add.right))
        number = {at: at for at in range(self.inputs)}
        kept: list[Addition] = []
        for at, add in enumerate(additions, self.inputs):
            if at in needed:
                number[at] = self.inputs + len(kept)
                kept.append(Addition(number[add.left], add.left_shift, number[add.right], add.right_shift, add.minus))
        renamed = [Output(None if out.value is None else number[out.value], out.shift) for out in outputs]
        return AdderGraph(kernel, x, tuple(kept), tuple(renamed))


def _digits(weights: Sequence[int]) -> list[_Term]:
    """The terms of a sum of inputs times weights."""
    every = sorted((value, *pair) for value, weight in enumerate(weights) for pair in digits(weight))
    return [_Term(value, shift, digit < 0) for value, shift, digit in every]


PART = 36
"""Inputs at most that share adders. A graph of all inputs of a large kernel mixes them at random, and its wires reach
over all its room; parts lie side by side, and take few adders more.
"""

_MOST_DELAY = 3
"""Adder levels that the shared graph may be deeper than one that shares nothing: each costs registers."""

_ONE_TRY = {"decompose_dc": 0, "search_all_decompose_dc": False}
"""One of the ways to split the matrix in two, in place of all, which take five times as long (the seed network's
second convolution: 5.1 s of a core, then 1.1) and gave the same graph in eight of nine matrices, 2 % less in one.
"""


def _shared(builder: _Builder, kernel: np.ndarray, x: Shape) -> list[_Term | None]:
    """The outputs as alkaid finds them, part of the inputs by part, and the parts' sums added up."""
    inputs = np.array_split(np.arange(len(kernel)), -(-len(kernel) // PART))
    parts = [_part(builder, kernel[part], x, [_Term(at) for at in part.tolist()]) for part in inputs]
    return [builder.total(filter(None, terms)) for terms in zip(*parts, strict=True)]


def _part(builder: _Builder, kernel: np.ndarray, x: Shape, terms: list[_Term | None]) -> list[_Term | None]:
    """The outputs of a kernel of `terms`. alkaid solves two matrices; the second takes what the first gives."""
    k = len(kernel)
    interval = QInterval(float(minimum(x)), float(maximum(x)), 1.0)
    stages = cmvm_solve(
        kernel.astype(np.float32), hard_dc=_MOST_DELAY, qintervals=[interval] * k, latencies=[0.0] * k, **_ONE_TRY
    )
    for stage in stages:
        values: list[_Term | None] = []
        for op in stage.ops:
            values.append(_operation(builder, op, values, terms, stage.inp_shifts))
        ends = zip(stage.out_idxs, stage.out_shifts, stage.out_negs, strict=True)
        terms = [_scaled(values[at], int(shift), bool(minus)) if at >= 0 else None for at, shift, minus in ends]
    return terms


def _operation(builder, op, values, inputs, shifts):  # type: ignore[no-untyped-def]
    """What one of alkaid's operations gives."""
    if op.opcode == -1:  # an input
        return _scaled(inputs[op.data[0]], int(shifts[op.data[0]]), False)
    if op.opcode not in (0, 1):
        raise ValueError(f"alkaid gave an operation that is no addition: {op!r}")
    left = values[op.addr[0]]
    right = _scaled(values[op.addr[1]], op.data[0], op.opcode == 1)
    return builder.add(left, right) if left and right else left or right


def _scaled(term: _Term | None, shift: int, minus: bool) -> _Term | None:
    return term and _Term(term.value, term.shift + shift, term.negative != minus)
