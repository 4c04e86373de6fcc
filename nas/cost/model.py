"""What a search needs of costs, whoever states them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from plugnas.space import Architecture


class CostModel(Protocol):
    """Costs that are known before anything is trained."""

    names: tuple[str, ...]

    def costs_of(
        self, architectures: Sequence[Architecture] | NDArray[np.int16]
    ) -> dict[str, NDArray[np.float64]]:
        """Return each named cost of architectures, or of the rows of a code matrix."""

    def cost(self, architecture: Architecture) -> dict[str, float]:
        """Return the costs of one architecture."""
