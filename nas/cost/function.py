"""Costs that a user's own function states, for spaces without a network."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.cost.errors import CostError
from plugnas.space import Architecture, SearchSpace

_KEPT = 100_000


class FunctionCost:
    """Wraps ``cost=lambda architecture: {...}``; the latest 100,000 answers are remembered.

    Args:
        function: architecture -> {name: finite number}, the same names every time.
        names: the names it returns.
        space: needed only where costs of a code matrix are asked for.
    """

    def __init__(
        self,
        function: Callable[[Architecture], Mapping[str, float]],
        names: Sequence[str],
        space: SearchSpace | None = None,
    ) -> None:
        self.function, self.names, self.space = function, tuple(names), space
        self._known: dict[str, tuple[float, ...]] = {}  # the latest; a sampler weighs thousands

    def costs_of(
        self, architectures: Sequence[Architecture] | NDArray[np.int16]
    ) -> dict[str, NDArray[np.float64]]:
        """Return each cost as a float64 array, in the order given.

        Raises:
            CostError: the function returns other names, or a value that is no finite number.
        """
        if isinstance(architectures, np.ndarray):
            if self.space is None:
                raise CostError("a code matrix needs FunctionCost(function, names, space)")
            architectures = self.space.architectures(architectures)
        rows = [self._row(architecture) for architecture in architectures]
        matrix = np.array(rows, dtype=np.float64).reshape(len(rows), len(self.names))
        return {name: matrix[:, j] for j, name in enumerate(self.names)}

    def cost(self, architecture: Architecture) -> dict[str, float]:
        """Return the costs of one architecture."""
        return dict(zip(self.names, self._row(architecture), strict=True))

    def _row(self, architecture: Architecture) -> tuple[float, ...]:
        if architecture.id not in self._known:
            if len(self._known) >= _KEPT:
                del self._known[next(iter(self._known))]
            self._known[architecture.id] = self._ask(architecture)
        return self._known[architecture.id]

    def _ask(self, architecture: Architecture) -> tuple[float, ...]:
        returned = self.function(architecture)
        if not isinstance(returned, Mapping) or set(returned) != set(self.names):
            given = sorted(returned) if isinstance(returned, Mapping) else repr(returned)
            raise CostError(
                f"the cost function must return exactly {sorted(self.names)}, but returned "
                f"{given} for {architecture}"
            )
        values = []
        for name in self.names:
            try:
                value = float(returned[name])
            except (TypeError, ValueError):
                value = math.nan
            if not math.isfinite(value):
                raise CostError(
                    f"a cost must be a finite number, but the cost function returned "
                    f"{name}={returned[name]!r} for {architecture}"
                )
            values.append(value)
        return tuple(values)
