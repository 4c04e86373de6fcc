"""How a front grew: hypervolume over evaluations and seconds, of a search and of its control."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.front import pareto
from plugnas.nas.front.box import Box
from plugnas.nas.front.member import table
from plugnas.nas.ledger.measurement import Measurement

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
_BLOCK = 500  # rows that are held against a front together
ORDERS = 40
"""Random orders over which a control of independent draws is averaged."""


@dataclass(frozen=True)
class Trace:
    """Hypervolume after each evaluation that changed it, as a fraction of the common box.

    ``seconds`` are seconds of evaluation summed over workers; ``low`` and ``high`` bound nine in
    ten random orders, where the trace is an average over such.
    """

    evaluations: list[int]
    seconds: list[float]
    hypervolume: list[float]
    low: list[float] | None = None
    high: list[float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return dict(vars(self))


def points_of(
    measurements: Sequence[Measurement], objectives: Mapping[str, str], rung: int
) -> Array:
    """Return (n, m): what counts for the front, NaN where a measurement does not."""
    points = table(measurements, objectives)
    points[[not (m.rung == rung and m.ok) for m in measurements]] = math.nan
    return points


def trace(measurements: Sequence[Measurement], box: Box, rung: int) -> Trace:
    """Return how the hypervolume grew in the order in which measurements were told.

    An architecture counts with the mean of its seeds so far, as on the front.
    """
    found = Trace([0], [0.0], [0.0])
    if not measurements:
        return found
    points = points_of(measurements, box.objectives, rung)
    seen: dict[str, int] = {}
    own = np.array([seen.setdefault(m.architecture.id, len(seen)) for m in measurements])
    spent = np.cumsum([m.seconds for m in measurements])
    for i, front in _fronts(points, own, list(box.objectives.values())):
        value = box.fraction(front)
        if value != found.hypervolume[-1]:
            found.evaluations.append(i + 1)
            found.seconds.append(round(float(spent[i]), 3))
            found.hypervolume.append(value)
    found.evaluations.append(len(points))
    found.seconds.append(round(float(spent[-1]), 3))
    found.hypervolume.append(found.hypervolume[-1])
    return found


def _fronts(points: Array, own: Indices, directions: Sequence[str]) -> Iterator[tuple[int, Array]]:
    """Yield each row that changes the front, and the points of the front after it.

    ``own`` says of which architecture a row is. Nearly all rows of a long run are an architecture's
    first and covered by the front before them: those of a block are found, and passed, at once.
    """
    values = pareto.losses(points, directions)
    finite = np.isfinite(values).all(axis=1)
    first = np.zeros(len(values), dtype=bool)
    first[np.flatnonzero(finite)[np.unique(own[finite], return_index=True)[1]]] = True
    sums, counts = np.zeros_like(values), np.zeros(len(values))  # by architecture
    front: Indices = np.zeros(0, dtype=np.int64)  # its architectures
    start, added = 0, 0
    while start < len(values):
        block = slice(start, start + _BLOCK)
        means = sums[front] / counts[front, None]
        passed = ~finite[block] | (first[block] & _covered(values[block], means))
        if passed.all():
            start += _BLOCK
            continue
        i = start + int(np.argmin(passed))
        told = added + np.flatnonzero(finite[added : i + 1])
        np.add.at(sums, own[told], values[told])
        np.add.at(counts, own[told], 1)
        start = added = i + 1
        mean = sums[own[i]] / counts[own[i]]
        if first[i]:
            front = np.append(front[~_covered(means, mean[None])], own[i])
        elif own[i] in front or not _covered(mean[None], means)[0]:
            known = np.flatnonzero(counts)
            best = pareto.non_dominated(sums[known] / counts[known, None], ["min"] * len(mean))
            front = known[best]
        else:
            continue
        yield i, pareto.losses(sums[front] / counts[front, None], directions)


def _covered(values: Array, by: Array) -> NDArray[np.bool_]:
    """Return which rows some row of ``by`` equals or betters everywhere; less is better."""
    return np.asarray(np.any(np.all(by[None] <= values[:, None], axis=2), axis=1))


def shuffled(measurements: Sequence[Measurement], box: Box, rung: int, seed: int = 0) -> Trace:
    """Return the mean trace over random orders of independent draws, all at the same rung.

    The draws do not depend on each other, so any order of them is as good a random search as the
    one in which they were made.

    Args:
        measurements: the draws.
        box: in which hypervolumes are shares.
        rung: at which they were measured.
        seed: draws the orders.
    """
    points = points_of(measurements, box.objectives, rung)
    rng = np.random.default_rng(seed)
    curves = np.zeros((ORDERS, len(points) + 1))
    for k in range(ORDERS):
        order = rng.permutation(len(points))
        for i in range(len(points)):
            own = points[order[: i + 1]]
            curves[k, i + 1] = box.fraction(own[np.isfinite(own).all(axis=1)])
    each = float(np.mean([m.seconds for m in measurements]))
    low, high = np.quantile(curves, [0.05, 0.95], axis=0)
    return Trace(
        evaluations=list(range(len(points) + 1)),
        seconds=[round(i * each, 3) for i in range(len(points) + 1)],
        hypervolume=curves.mean(axis=0).tolist(),
        low=low.tolist(),
        high=high.tolist(),
    )


__all__ = ["Trace", "points_of", "shuffled", "trace"]
