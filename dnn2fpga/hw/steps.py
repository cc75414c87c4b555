"""What folded sums of products have in common, in integers and in floats: the order of their steps."""

from typing import Protocol

import numpy as np


class HasKernel(Protocol):
    """Sums of products with a `kernel` (k, channels), whose channels see a block of inputs each; see `dense.Sums`."""

    @property
    def kernel(self) -> np.ndarray:
        """The weights."""

    @property
    def blocks(self) -> int:
        """Blocks of inputs, each of which as many channels see."""

    @property
    def positions(self) -> int:
        """Positions of a tensor at which the same kernel is used."""


class Steps:
    """Part of a folding of `sums`, of `outputs × inputs` terms a step and `inputs` values of each block a word in.

    `parallel` blocks are worked on at once, one *result* at a time; `outputs` counts the lanes of all of them. Each
    word that comes in is held for as many steps as there are groups of outputs.
    """

    sums: HasKernel
    outputs: int
    inputs: int
    parallel: int = 1

    def check_outputs(self) -> None:
        """Raise `ValueError` if blocks do not divide, or the channels of a block are no whole number of groups."""
        blocks, channels = self.sums.blocks, self.sums.kernel.shape[1]
        if self.parallel < 1 or blocks % self.parallel:
            raise ValueError(f"parallel must divide {blocks} blocks, not be {self.parallel!r}")
        together = channels // blocks * self.parallel
        if self.outputs < 1 or together % self.outputs:
            raise ValueError(f"outputs must divide {together} channels, not be {self.outputs!r}")
        if self.parallel > 1 and self.outputs != together:
            raise ValueError(
                f"outputs must be {together}, all channels of {self.parallel} blocks, not {self.outputs!r}"
            )

    @property
    def words(self) -> int:
        """Words that come in for one result: the last is filled up with zeros."""
        return -(-self.sums.kernel.shape[0] // self.inputs)

    @property
    def rounds(self) -> int:
        """Results of one position."""
        return self.sums.blocks // self.parallel

    @property
    def results(self) -> int:
        """Results of a tensor."""
        return self.sums.positions * self.rounds

    @property
    def groups(self) -> int:
        """Groups of outputs, and steps that each word coming in takes."""
        return self.sums.kernel.shape[1] // self.rounds // self.outputs

    @property
    def steps(self) -> int:
        """Steps of one result."""
        return self.words * self.groups

    @property
    def i_lanes(self) -> int:
        """Values a word in."""
        return self.inputs * self.parallel
