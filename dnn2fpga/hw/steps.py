"""What folded sums of products have in common, in integers and in floats: the order of their steps."""

from typing import Protocol

import numpy as np


class HasKernel(Protocol):
    """Sums of products with a `kernel` (k, channels)."""

    @property
    def kernel(self) -> np.ndarray:
        """The weights."""


class Steps:
    """Part of a folding of `sums`, of `outputs × inputs` terms a step and `inputs` values a word in.

    Each word that comes in is held for as many steps as there are groups of outputs.
    """

    sums: HasKernel
    outputs: int
    inputs: int

    def check_outputs(self) -> None:
        """Raise `ValueError` if the channels are no whole number of groups."""
        channels = self.sums.kernel.shape[1]
        if self.outputs < 1 or channels % self.outputs:
            raise ValueError(f"outputs must divide {channels} channels, not be {self.outputs!r}")

    @property
    def words(self) -> int:
        """Words that come in for one result: the last is filled up with zeros."""
        return -(-self.sums.kernel.shape[0] // self.inputs)

    @property
    def groups(self) -> int:
        """Groups of outputs, and steps that each word coming in takes."""
        return self.sums.kernel.shape[1] // self.outputs

    @property
    def steps(self) -> int:
        """Steps of one result."""
        return self.words * self.groups

    @property
    def i_lanes(self) -> int:
        """Values a word in."""
        return self.inputs
