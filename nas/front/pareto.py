"""Non-dominated sets: front, ranks, hypervolume, reference point, knee, crowding. Pure numpy.

The rules are the same in every function. ``points`` is an (n, m) array, one row per architecture
and one column per objective; ``directions`` names for each column whether more or less of it is
better. A row with a NaN or an infinity anywhere is not a result: it is in no front, dominates
nothing and adds no volume. Equal rows do not dominate each other, so all copies of a front point
are on the front, unless the caller asks for the first copy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from plugnas.modules import PlugnasError

DIRECTIONS = ("max", "min")


class ParetoError(PlugnasError):
    """Points, directions and reference point do not belong together."""


def losses(points: np.ndarray, directions: Sequence[str]) -> np.ndarray:
    """Return ``points`` as float64 (n, m) with the sign turned so that less is always better."""
    values = np.asarray(points, dtype=np.float64)
    if values.size == 0:
        values = values.reshape(0, len(directions))
    if values.ndim != 2 or values.shape[1] != len(directions):
        raise ParetoError(
            f"points must be (n, {len(directions)}), one column per direction; "
            f"got shape {values.shape}"
        )
    for direction in directions:
        if direction not in DIRECTIONS:
            raise ParetoError(f"a direction is max or min, not {direction!r}")
    return values * np.where(np.array(directions) == "max", -1.0, 1.0)


def non_dominated(
    points: np.ndarray, directions: Sequence[str], *, keep_ties: bool = True
) -> np.ndarray:
    """Return a boolean mask (n,) of the rows that no other row dominates.

    A row dominates another that it equals or betters everywhere and betters somewhere. Of equal
    rows all are kept, or with ``keep_ties=False`` the first. Rows with NaN or infinity are out.
    """
    values = losses(points, directions)
    mask = np.zeros(len(values), dtype=bool)
    finite = np.flatnonzero(np.isfinite(values).all(axis=1))
    if len(finite):
        unique, inverse = np.unique(values[finite], axis=0, return_inverse=True)
        inverse = inverse.reshape(-1)
        best = _unique_front(unique)[inverse]
        if not keep_ties:
            first = np.unique(inverse, return_index=True)[1]
            best &= np.isin(np.arange(len(finite)), first)
        mask[finite] = best
    return mask


def _unique_front(values: np.ndarray) -> np.ndarray:
    """Return the mask of non-dominated rows among distinct rows in lexicographic order."""
    if values.shape[1] == 1:
        return np.arange(len(values)) == 0
    mask = np.zeros(len(values), dtype=bool)
    if values.shape[1] == 2:  # sorted by the first: on the front where the second sinks
        mask[0] = True
        mask[1:] = values[1:, 1] < np.minimum.accumulate(values[:, 1])[:-1]
        return mask
    alive = np.arange(len(values))  # a row is never dominated by one after it in the order
    while len(alive):
        mask[alive[0]] = True
        alive = alive[(values[alive] < values[alive[0]]).any(axis=1)]
    return mask


def ranks(points: np.ndarray, directions: Sequence[str]) -> np.ndarray:
    """Return the non-dominated rank (n,) of every row: 0 on the front, 1 on the front without it.

    Rows with NaN or infinity share the rank after the last.
    """
    values = losses(points, directions)
    result = np.full(len(values), -1, dtype=np.int64)
    left = np.flatnonzero(np.isfinite(values).all(axis=1))
    rank = 0
    while len(left):
        front = non_dominated(values[left], ["min"] * values.shape[1])
        result[left[front]] = rank
        left = left[~front]
        rank += 1
    result[result < 0] = rank
    return result


def hypervolume(
    points: np.ndarray, reference: Sequence[float] | np.ndarray, directions: Sequence[str]
) -> float:
    """Return the exact volume between the points and ``reference``, which is worse than they are.

    The unit is the product of the objectives' units. Points that are not better than the reference
    in every objective add nothing. Exact for any number of objectives; n log n for two, n squared
    for three.
    """
    values = losses(points, directions)
    corner = losses(np.asarray(reference, dtype=np.float64).reshape(1, -1), directions)[0]
    if not np.isfinite(corner).all():
        raise ParetoError(f"a reference point is finite, not {list(np.asarray(reference))}")
    values = values[np.isfinite(values).all(axis=1) & (values < corner).all(axis=1)]
    return _volume(values, corner)


def _volume(values: np.ndarray, corner: np.ndarray) -> float:
    """Return the volume that rows strictly below ``corner`` cover, by slicing the last axis."""
    if len(values) == 0:
        return 0.0
    values = np.unique(values, axis=0)
    values = values[_unique_front(values)]
    if values.shape[1] == 1:
        return float(corner[0] - values[0, 0])
    if values.shape[1] == 2:  # lexicographic: first rises, second sinks
        ceilings = np.concatenate([corner[1:], values[:-1, 1]])
        return float(((corner[0] - values[:, 0]) * (ceilings - values[:, 1])).sum())
    values = values[np.argsort(values[:, -1], kind="stable")]
    levels = np.append(values[:, -1], corner[-1])
    total = 0.0
    for count, (low, high) in enumerate(pairwise(levels), start=1):
        if high > low:
            total += (high - low) * _volume(values[:count, :-1], corner[:-1])
    return float(total)


def reference_point(
    points: np.ndarray, directions: Sequence[str], *, margin: float = 0.1
) -> np.ndarray:
    """Return the reference point (m,): the worst of every objective, and ``margin`` ranges worse.

    An objective in which all points agree has no range; its margin is taken of its size, or of 1
    where that is 0. Raises ParetoError where no row is finite.
    """
    values = losses(points, directions)
    values = values[np.isfinite(values).all(axis=1)]
    if len(values) == 0:
        raise ParetoError("a reference point needs at least one finite point; there is none")
    worst = values.max(axis=0)
    spread = worst - values.min(axis=0)
    spread = np.where(spread > 0, spread, np.where(worst != 0, np.abs(worst), 1.0))
    return losses((worst + margin * spread)[None, :], directions)[0]


def knee(points: np.ndarray, directions: Sequence[str]) -> int:
    """Return the index of the front's knee: most gained over all objectives together.

    Objectives are scaled to the front's own range, and the knee has the smallest sum of losses.
    With two objectives this is the front point farthest from the line between the extremes. The
    first of equals is returned. Raises ParetoError where no row is finite.
    """
    values = losses(points, directions)
    front = np.flatnonzero(non_dominated(points, directions))
    if len(front) == 0:
        raise ParetoError("a knee needs at least one finite point; there is none")
    chosen = values[front]
    low, spread = chosen.min(axis=0), np.ptp(chosen, axis=0)
    scaled = (chosen - low) / np.where(spread > 0, spread, 1.0)
    return int(front[np.argmin(scaled.sum(axis=1))])


def crowding(points: np.ndarray, directions: Sequence[str]) -> np.ndarray:
    """Return the crowding distance (n,) of Deb et al. (2002) among all rows given; more is rarer.

    Extremes of an objective are infinite. Of equal rows the first carries the distance, the others
    have 0, so that a copy is never a reason to keep a place. Rows with NaN or infinity have 0.
    """
    values = losses(points, directions)
    result = np.zeros(len(values))
    finite = np.flatnonzero(np.isfinite(values).all(axis=1))
    if len(finite) == 0:
        return result
    first = finite[np.unique(values[finite], axis=0, return_index=True)[1]]
    chosen = values[first]
    distance = np.zeros(len(first))
    for column in range(values.shape[1]):
        order = np.argsort(chosen[:, column], kind="stable")
        sorted_column = chosen[order, column]
        spread = sorted_column[-1] - sorted_column[0]
        if spread > 0:
            distance[order[1:-1]] += (sorted_column[2:] - sorted_column[:-2]) / spread
        distance[order[[0, -1]]] = np.inf
    result[first] = distance
    return result


__all__ = [
    "DIRECTIONS",
    "ParetoError",
    "crowding",
    "hypervolume",
    "knee",
    "losses",
    "non_dominated",
    "ranks",
    "reference_point",
]
