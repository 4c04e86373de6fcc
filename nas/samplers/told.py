"""What somebody else's searcher is told of an architecture: a value for every objective."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.samplers.problem import Problem


class Told:
    """Remembers what was told, by the codes of the architecture; values as the job counts them."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._rows: dict[bytes, list[float]] = {}

    def __contains__(self, row: NDArray[np.int16]) -> bool:
        return row.tobytes() in self._rows

    def get(self, row: NDArray[np.int16]) -> list[float] | None:
        """Return what was told of these codes (P,), or None."""
        return self._rows.get(row.tobytes())

    def keep(self, row: NDArray[np.int16], values: list[float]) -> list[float]:
        """Remember what is told of these codes, and return it."""
        self._rows[row.tobytes()] = values
        return values

    def violation(self, row: NDArray[np.int16]) -> dict[str, float]:
        """Return every constraint, above 0 where broken; limits in fractions of themselves."""
        problem = self.problem
        result = {"refused": float(not problem.space.allowed(row[None])[0])}
        for name, limit in problem.budget.items():
            value = 0.0  # what is refused cannot be built, so has no cost
            if not result["refused"]:
                cost = problem.costs(row[None])[0, problem.cost_names.index(name)]
                value = (cost - limit) / (abs(limit) or 1.0)
            result[name] = value
        return result

    def poor(self, row: NDArray[np.int16]) -> list[float]:
        """Return the worst value told of what is measured, and the true costs."""
        told = np.array(list(self._rows.values())).reshape(-1, len(self.problem.objectives))
        built = self.problem.space.allowed(row[None])[0]
        result = []
        for j, (name, direction) in enumerate(self.problem.objectives.items()):
            worst = 0.0
            if len(told):
                worst = float(told[:, j].min() if direction == "max" else told[:, j].max())
            if name in self.problem.known and built:
                costs = self.problem.costs(row[None])
                worst = float(costs[0, self.problem.cost_names.index(name)])
            result.append(worst)
        return result

    def values(
        self, row: NDArray[np.int16], values: NDArray[np.float64] | None, signal: float | None
    ) -> list[float]:
        """Return what a measurement says: its values, or its signal where it only ranks.

        Args:
            row: codes (P,) of the architecture.
            values: the measured objectives, more is better; None where there are none.
            signal: what ranks within a rung, more is better.
        """
        result = self.poor(row)
        names = list(self.problem.objectives)
        if values is None:
            result[names.index(self.problem.measured[0])] = float(signal or 0.0)
        else:
            for name, value in zip(self.problem.measured, values, strict=True):
                result[names.index(name)] = float(value) * self.problem.sign(name)
        return result


__all__ = ["Told"]
