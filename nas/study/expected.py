"""How many trainings a search makes at each rung, before it has begun."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.front.pareto import crowding, ranks
from plugnas.nas.study.rungs import ETA, Promotion

_DRAWS = 96
"""Architectures drawn in all; more repetitions of a short search than of a long one."""

_MOST = 24
"""Architectures beyond which the share that goes on is taken to stay."""

_COST = 0.7
"""How much of a random architecture's value comes with its cost."""

_BLIND, _WORTH = 6, 0.85
"""What the predictor proposes goes on by promise at this share, after so many at a rung of which
one in ``ETA`` does (experiments/records/search_rungs.md: it proposes what is worth a training)."""


def expected_trainings(
    trials: int,
    rungs: int,
    promotion: Promotion = "rank",
    *,
    predictor: bool = False,
    traded: bool = False,
    seed: int = 0,
) -> list[float]:
    """Return about how many architectures reach each rung; the first has all.

    Promotion by rank does not wait for the others of a rung: who is among the first third of those
    known by then goes on, and may be overtaken later. So more than a third do, above all in a short
    search, and where a value is ``traded`` for a cost. Found by drawing architectures at random.
    By promise a third go on, and most of what the predictor proposes.

    Args:
        trials: architectures in all.
        rungs: how many there are.
        promotion: how it is decided who goes on.
        predictor: whether the sampler is the predictor.
        traded: whether a value is weighed against a cost.
        seed: draws the architectures.
    """
    if rungs == 1:
        return [float(trials)]
    if promotion == "promise":
        counts = [float(trials)]
        for _ in range(rungs - 1):
            counts.append(_by_promise(counts[-1], predictor=predictor))
        return counts
    drawn = min(trials, _MOST)
    rng = np.random.default_rng(seed)
    repeats = max(2, _DRAWS // drawn)
    sums = np.zeros(rungs)
    for _ in range(repeats):
        cost = rng.random(drawn)
        value = _COST * cost + (1 - _COST) * rng.random(drawn) if traded else rng.random(drawn)
        points = np.column_stack([value, -cost]) if traded else value[:, None]
        sums += _one(points, rungs)
    return [float(c) * trials / drawn for c in sums / repeats]


def _by_promise(count: float, *, predictor: bool) -> float:
    """Return how many of a rung go on."""
    if not predictor or count <= _BLIND:
        return float(int(count / ETA))
    return _BLIND / ETA + _WORTH * (count - _BLIND)


def _one(points: NDArray[np.float64], rungs: int) -> list[int]:
    """Return the number at each rung where architectures arrive one by one; more is better."""
    at: list[list[int]] = [[] for _ in range(rungs)]
    for newcomer in range(len(points)):
        arriving = [newcomer]
        for rung in range(rungs):
            at[rung] += arriving
            if rung + 1 == rungs:
                break
            first = _order(points[at[rung]])[: len(at[rung]) // ETA]
            arriving = [at[rung][i] for i in first if at[rung][i] not in at[rung + 1]]
    return [len(members) for members in at]


def _order(points: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the order of a rung: non-dominated rank, then crowding, then value."""
    directions = ["max"] * points.shape[1]
    rank, spread = ranks(points, directions), np.zeros(len(points))
    for level in np.unique(rank):
        spread[rank == level] = crowding(points[rank == level], directions)
    return np.lexsort((np.arange(len(points)), -points[:, 0], -spread, rank))


__all__ = ["expected_trainings"]
