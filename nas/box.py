"""A box of objectives in which hypervolumes are shares, so that several sets can be compared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas import pareto

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

    def fraction(self, points: Array) -> float:
        """Return the share of the box that points dominate; rows that are not finite add none."""
        size = math.prod(float(v) for v in np.abs(self.ideal - self.reference))
        volume = pareto.hypervolume(points, self.reference, list(self.objectives.values()))
        return volume / size if size else 0.0


__all__ = ["Box"]
