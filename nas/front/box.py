"""A box of objectives in which hypervolumes are shares, so that several sets can be compared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.front import pareto

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Box:
    """The box in which hypervolumes are taken: reference corner and ideal, by objective."""

    objectives: Mapping[str, str]
    reference: Array
    ideal: Array

    @classmethod
    def around(cls, points: Array, objectives: Mapping[str, str]) -> Box:
        """Return the box around all finite points, a tenth of each range larger on the bad side.

        Raises:
            ParetoError: there is no finite point.
        """
        directions = list(objectives.values())
        corner = pareto.reference_point(points, directions)
        sound = points[np.isfinite(points).all(axis=1)]
        ideal = [max(p) if d == "max" else min(p) for p, d in zip(sound.T, directions, strict=True)]
        return cls(objectives, corner, np.array(ideal))

    @classmethod
    def allowed(
        cls, points: Array, objectives: Mapping[str, str], budget: Mapping[str, float]
    ) -> Box:
        """Return the box from the best possible to the worst allowed: it stays as a run grows.

        A cost reaches from 0 to its limit (without one, to the largest found), an objective within
        0..1 from 0 to 1, any other over the range found.

        Raises:
            ParetoError: there is no finite point.
        """
        sound = points[np.isfinite(points).all(axis=1)]
        if not len(sound):
            raise pareto.ParetoError("a box needs at least one finite point; there is none")
        corners = [
            _corner(column, direction, budget.get(name))
            for column, (name, direction) in zip(sound.T, objectives.items(), strict=True)
        ]
        reference, ideal = np.array(corners).T
        return cls(objectives, reference, ideal)

    def fraction(self, points: Array) -> float:
        """Return the share of the box that points dominate; rows that are not finite add none."""
        size = math.prod(float(v) for v in np.abs(self.ideal - self.reference))
        volume = pareto.hypervolume(points, self.reference, list(self.objectives.values()))
        return volume / size if size else 0.0


def _corner(column: Array, direction: str, limit: float | None) -> tuple[float, float]:
    """Return (reference, ideal) of one objective."""
    low, high = float(column.min()), float(column.max())
    if direction == "min":
        return (high if limit is None else limit), min(0.0, low)
    return (0.0, 1.0) if low >= 0 and high <= 1 else (low, high)


__all__ = ["Box"]
