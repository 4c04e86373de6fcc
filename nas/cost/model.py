"""What a search needs of costs, whoever states them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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


def each(
    cost: CostModel | None, architectures: Sequence[Architecture]
) -> Iterator[dict[str, float]]:
    """Yield the costs of each architecture, looked up together; nothing without a cost model."""
    if cost is None or not cost.names or not architectures:
        yield from ({} for _ in architectures)
        return
    columns = cost.costs_of(architectures)
    for row in zip(*(column.tolist() for column in columns.values()), strict=True):
        yield dict(zip(columns, row, strict=True))


__all__ = ["CostModel", "each"]
