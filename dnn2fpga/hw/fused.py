"""Unrolled layers in a row as one pipeline, with neither queues nor registers of a stream between them.

Each alone has a queue behind it, since nothing can halt it, and master-slave registers before it: as wide as all its
values, both of them, and with enables that reach over all of their flip-flops.
"""

from collections import Counter
from dataclasses import replace

from .choose import Chosen
from .layer import Folding
from .unrolled import UnrolledFolding


def fused(chosen: Chosen) -> Chosen:
    """The choice with no queue and no registers between unrolled layers in a row: the last one books room for all."""
    chosen = list(chosen)
    readers = Counter(source for placed in chosen for source in placed.sources)
    at = {placed.node.name: index for index, placed in enumerate(chosen)}
    for index, placed in enumerate(chosen):
        source = placed.sources[0]
        if source not in at or readers[source] > 1:
            continue
        before = chosen[at[source]]
        one, other, (join, *_) = before.folding, placed.folding, placed.joins
        if isinstance(one, UnrolledFolding) and isinstance(other, UnrolledFolding) and join.only_registers:
            chosen[at[source]] = replace(before, folding=replace(one, open=True))
            joins = (replace(join, registers=False),)
            chosen[index] = replace(placed, joins=joins, folding=replace(other, late=one.latency))
    return chosen


def ended(folding: Folding) -> Folding:
    """The folding of a layer that nothing reads: one that was open has its queue again."""
    return replace(folding, open=False) if isinstance(folding, UnrolledFolding) else folding
