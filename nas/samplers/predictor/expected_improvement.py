"""Expected hypervolume improvement where some objectives are known exactly.

The region that the front does not dominate is cut into columns: a grid over all objectives but
one, and in each cell of the grid everything above the front. For independent objectives the
expected gain is then a sum of products of one-dimensional expectations (Emmerich et al., 2006);
for a known objective the expectation is the value itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.front.pareto import non_dominated
from plugnas.nas.samplers.predictor.warp import Warp

Doubles = NDArray[np.float64]

_WORK = 3_000_000  # numbers in the largest array


@dataclass(frozen=True)
class Belief:
    """What is believed of one measured objective: Gaussian after the warp, (n,) each."""

    mean: Doubles
    deviation: Doubles
    warp: Warp


def expected_improvement(
    beliefs: Sequence[Belief], known: Doubles, front: Doubles, reference: Doubles
) -> Doubles:
    """Return the expected gain in hypervolume (n,) of each candidate; more is better throughout.

    Args:
        beliefs: of the measured objectives, at least one.
        known: exact objectives of the candidates (n, k).
        front: what was reached, (f, measured + known); dominated rows do no harm.
        reference: the worst that counts, (measured + known,).
    """
    front = front[(front > reference).all(axis=1)] if len(front) else front
    sides = len(beliefs) - 1 + known.shape[1]
    front = front[non_dominated(front, ["max"] * front.shape[1], keep_ties=False)]
    limit = int((_WORK / max(len(known), 1)) ** (1 / sides)) if sides else len(front)
    if len(front) > max(limit, 4):
        order = np.argsort(front[:, -1], kind="stable")
        front = front[order[np.linspace(0, len(front) - 1, max(limit, 4)).astype(int)]]
    edges = [_edges(front[:, j], reference[j]) for j in range(1, front.shape[1])]
    heights = _heights(front, edges, reference[0])
    levels, cells = np.unique(heights, return_inverse=True)
    height_gain = beliefs[0].warp.expected_gain(beliefs[0].mean, beliefs[0].deviation, levels)
    gain = height_gain[:, cells.reshape(-1)]
    widths = [_believed_width(b, edges[j]) for j, b in enumerate(beliefs[1:])]
    offset = len(beliefs) - 1
    widths += [_width(known[:, j], edges[offset + j]) for j in range(known.shape[1])]
    gain = gain.reshape(len(known), *heights.shape)
    for width in reversed(widths):  # sums the last axis of the grid away
        shape = (len(width), *[1] * (gain.ndim - 2), width.shape[1])
        gain = (gain * width.reshape(shape)).sum(axis=-1)
    return gain.reshape(len(known))


def _edges(values: Doubles, reference: float) -> Doubles:
    """Return the lower edges of the cells of one axis; the last cell has no end."""
    return np.unique(np.append(values, reference))


def _heights(front: Doubles, edges: Sequence[Doubles], lowest: float) -> Doubles:
    """Return for each cell of the grid the best first objective that covers all of it."""
    shape = tuple(len(e) for e in edges)
    heights = np.full(shape, lowest)
    for row in front:
        # A point covers the cells that end at or below it.
        covered = tuple(
            slice(0, int(np.searchsorted(e, value, side="right")) - 1)
            for e, value in zip(edges, row[1:], strict=True)
        )
        heights[covered] = np.maximum(heights[covered], row[0])
    return heights


def _width(values: Doubles, edges: Doubles) -> Doubles:
    """Return how much of each cell lies below each value, (n, cells)."""
    ends = np.append(edges[1:], np.inf)
    return np.clip(values[:, None], edges[None, :], ends[None, :]) - edges[None, :]


def _believed_width(belief: Belief, edges: Doubles) -> Doubles:
    """Return how much of each cell is expected to lie below an uncertain value, (n, cells)."""
    gain = belief.warp.expected_gain(belief.mean, belief.deviation, edges)
    gain[:, :-1] -= gain[:, 1:]
    return np.maximum(gain, 0.0)
