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
from plugnas.nas.ledger.measurement import Measurement

Array = NDArray[np.float64]
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
    nothing = [math.nan] * len(objectives)
    rows = [
        [m.values.get(n, m.costs.get(n, math.nan)) for n in objectives]
        if m.ok and m.rung == rung
        else nothing
        for m in measurements
    ]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(objectives))


def trace(measurements: Sequence[Measurement], box: Box, rung: int) -> Trace:
    """Return how the hypervolume grew in the order in which measurements were told.

    An architecture counts with the mean of its seeds so far, as on the front.
    """
    points = points_of(measurements, box.objectives, rung)
    if _repeats(measurements, points):
        return _trace_of_means(measurements, points, box)
    values = pareto.losses(points, list(box.objectives.values()))
    spent = np.cumsum([m.seconds for m in measurements])
    found = Trace([0], [0.0], [0.0])
    kept: list[int] = []  # the front so far: a point that it covers changes nothing
    for i in _uncovered(values, kept):
        kept[:] = [k for k in kept if (values[k] < values[i]).any()] + [i]
        value = box.fraction(points[kept])
        if value > found.hypervolume[-1]:
            found.evaluations.append(i + 1)
            found.seconds.append(round(float(spent[i]), 3))
            found.hypervolume.append(value)
    if len(points):
        found.evaluations.append(len(points))
        found.seconds.append(round(float(spent[-1]), 3))
        found.hypervolume.append(found.hypervolume[-1])
    return found


def _uncovered(values: Array, kept: Sequence[int]) -> Iterator[int]:
    """Yield the finite rows that no kept row equals or betters; ``kept`` grows meanwhile.

    Most rows of a long run are covered by what was kept before their block, and found at once.
    """
    for start in range(0, len(values), _BLOCK):
        block = values[start : start + _BLOCK]
        open_ = np.isfinite(block).all(axis=1)
        if kept:
            open_ &= ~(values[kept][:, None] <= block[None]).all(axis=2).any(axis=0)
        for i in start + np.flatnonzero(open_):
            if not (values[kept] <= values[i]).all(axis=1).any():
                yield int(i)


def _repeats(measurements: Sequence[Measurement], points: Array) -> bool:
    ids = [
        m.architecture.id
        for m, p in zip(measurements, points, strict=True)
        if not np.isnan(p).any()
    ]
    return len(set(ids)) < len(ids)


def _trace_of_means(measurements: Sequence[Measurement], points: Array, box: Box) -> Trace:
    """Return the trace where architectures have several measurements at the rung."""
    told: dict[str, list[Array]] = {}
    means: dict[str, Array] = {}
    front: set[str] = set()  # those whose means nothing dominates: the others change nothing
    found, spent = Trace([0], [0.0], [0.0]), 0.0
    for i, (m, point) in enumerate(zip(measurements, points, strict=True), start=1):
        spent += m.seconds
        if np.isfinite(point).all():
            own = m.architecture.id
            told.setdefault(own, []).append(point)
            means[own] = np.mean(told[own], axis=0)
            value = found.hypervolume[-1]
            if own in front or not _covered(means[own], [means[k] for k in front], box):
                names = list(means)
                mask = pareto.non_dominated(
                    np.array(list(means.values())), list(box.objectives.values())
                )
                front = {name for name, on in zip(names, mask, strict=True) if on}
                value = box.fraction(np.array([means[name] for name in front]))
            if value != found.hypervolume[-1] or i == len(points):
                found.evaluations.append(i)
                found.seconds.append(round(spent, 3))
                found.hypervolume.append(value)
    return found


def _covered(point: Array, others: Sequence[Array], box: Box) -> bool:
    """Whether one of the other points equals or betters a point in every objective."""
    if not others:
        return False
    values = pareto.losses(np.array([point, *others]), list(box.objectives.values()))
    return bool((values[1:] <= values[0]).all(axis=1).any())


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
