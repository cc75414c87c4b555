"""What joins the processes of a timed twin: the cycles in which words were put in and popped, and when the next may.

`None` stands for a cycle that is not known yet: another process must move first.
"""

from collections.abc import Sequence

import numpy as np


class Wire:
    """Joins two processes without a register: a word is put in the very cycle in which it is popped."""

    def __init__(self) -> None:
        self.offered: int | None = None
        self.taken: int | None = None

    def put(self, at: int, every: int) -> int | None:
        """When the word was taken; None if it is not yet."""
        assert every == 1  # the reader cannot know
        taken, self.taken = self.taken, None
        if taken is None:
            self.offered = at
        return taken

    def peek(self) -> int | None:
        """From when the next word is there; None if none is known."""
        return self.offered

    def pop(self, at: int) -> int:
        """Take the word."""
        self.offered, self.taken = None, at
        return at

    @property
    def open(self) -> bool:
        """Whether its writer may go on."""
        return self.taken is not None


class Queue:
    """Leads from one process to another by a buffer."""

    def __init__(self, room: int, latency: int, back: int) -> None:
        self.room, self.latency, self.back = room, latency, back
        self.puts: list[int] = []
        self.pops: list[int] = []

    @property
    def free(self) -> int | None:
        """From when there is room for the next word; None if no place is known to come free."""
        before = len(self.puts) - self.room  # the word whose place it takes
        if before < 0:
            return 0
        return self.pops[before] + self.back if before < len(self.pops) else None

    @property
    def open(self) -> bool:
        """Whether its writer may go on."""
        return len(self.puts) - self.room < len(self.pops)

    def put(self, at: int, every: int) -> int | None:
        """When the word came in; None if it is not known yet."""
        puts, pops = self.puts, self.pops
        before = len(puts) - self.room
        if before >= 0:
            if before >= len(pops):
                return None
            held_up = pops[before] + self.back - at
            if held_up > 0:
                at += -(-held_up // every) * every
        puts.append(at)
        return at

    def peek(self) -> int | None:
        """From when the next word is there; None if none is known."""
        puts, pops = self.puts, self.pops
        at = len(pops)
        if at == len(puts):
            return None
        offered = puts[at] + self.latency
        if at and offered <= pops[-1]:
            return pops[-1] + 1
        return offered

    def pop(self, at: int) -> int:
        """Take the word."""
        self.pops.append(at)
        return at

    @property
    def room_needed(self) -> int:
        """The least room with which every word would have moved in the same cycle."""
        freed = np.searchsorted(np.add(self.pops, self.back), self.puts, side="right")  # places, before each was put
        return int(np.max(np.arange(1, len(self.puts) + 1) - freed, initial=0))


class Parts(Queue):
    """Words dealt out in `parts` parts, two or more, through a register of two places, to a reader that works `cycles`
    on each but the last.

    The reader's parts of a word follow one another: its first begins when the word before is done with, but not before
    2 cycles after this word came; of the places behind, the reader frees one before the next part needs it. A word is
    dealt out, and the next may come, when its last part goes into the register.
    """

    def __init__(self, parts: int, cycles: int) -> None:
        super().__init__(room=2, latency=0, back=1)
        self.cycles = cycles
        self.all_but_one = (parts - 2) * cycles + 1
        self.all_but_two = (parts - 3) * cycles + 1

    def _first(self, word: int) -> int:
        """When its reader is done with the first part of a word."""
        begin = self.puts[word] + 2
        if word:
            begin = max(begin, self.pops[word - 1] + 1)
        return begin + self.cycles - 1

    @property
    def free(self) -> int | None:
        """From when there is room for the next word; None if no place is known to come free."""
        word = len(self.puts)
        if not word:
            return 0
        return self._first(word - 1) + self.all_but_two if word - 2 < len(self.pops) else None

    def put(self, at: int, every: int) -> int | None:
        """When the word came in; None if it is not known yet."""
        assert every == 1
        free = self.free
        if free is None:
            return None
        at = max(at, free)
        self.puts.append(at)
        return at

    def peek(self) -> int | None:
        """From when the last part of the next word is there; None if none is known."""
        word = len(self.pops)
        return self._first(word) + self.all_but_one if word < len(self.puts) else None


class Queues:
    """What several read: a word leaves in the first cycle in which every queue has room."""

    def __init__(self, queues: Sequence[Queue]) -> None:
        self.queues = queues

    def put(self, at: int, every: int) -> int | None:
        """When the word came in; None if it is not known yet."""
        held_up = 0
        for queue in self.queues:
            free = queue.free
            if free is None:
                return None
            held_up = max(held_up, free - at)
        at += -(-held_up // every) * every
        for queue in self.queues:
            queue.puts.append(at)
        return at
