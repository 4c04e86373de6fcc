"""Statistics of a few repeated trainings: intervals, rank correlation, comparison of pairs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit  # Student's t; scipy.stats is slow to import

Array = NDArray[np.float64]
RESAMPLES = 2000
PAIRS = 2_000_000  # compared at once: 16 MB for each array of them


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval, from ``n`` observations; NaN where n is too small."""

    value: float
    low: float
    high: float
    n: int


def kendall(a: Sequence[float], b: Sequence[float], *, seed: int = 0) -> Estimate:
    """Return Kendall's tau-b of paired values; interval by the bootstrap over pairs (percentile).

    NaN below four pairs, or where one side never varies.
    """
    x, y = np.asarray(a, float), np.asarray(b, float)
    n = len(x)
    if n < 4:
        return Estimate(math.nan, math.nan, math.nan, n)
    draws = np.random.default_rng(seed).integers(n, size=(RESAMPLES, n))
    taus = _tau(x[draws], y[draws])
    taus = taus[np.isfinite(taus)]
    if not len(taus):
        return Estimate(math.nan, math.nan, math.nan, n)
    low, high = np.quantile(taus, [0.025, 0.975])
    return Estimate(float(_tau(x, y)), float(low), float(high), n)


def _tau(x: Array, y: Array) -> Array:
    """Kendall's tau-b along the last axis; NaN where one side is constant.

    All pairs of all resamples at once: scipy's ``kendalltau`` takes them one by one, and 2,000
    resamples would take a second.
    """
    i, j = np.triu_indices(x.shape[-1], 1)
    rows = max(1, PAIRS // len(i))
    taus = [
        _tau_of_pairs(np.sign(a[:, i] - a[:, j]), np.sign(b[:, i] - b[:, j]))
        for a, b in zip(_blocks(x, rows), _blocks(y, rows), strict=True)
    ]
    return np.concatenate(taus).reshape(x.shape[:-1])


def _blocks(x: Array, rows: int) -> list[Array]:
    flat = x.reshape(-1, x.shape[-1])
    return [flat[k : k + rows] for k in range(0, len(flat), rows)]


def _tau_of_pairs(x: Array, y: Array) -> Array:
    """Tau-b from the signs of the differences of all pairs (rows, pairs)."""
    untied = np.sqrt((x * x).sum(-1) * (y * y).sum(-1))
    with np.errstate(invalid="ignore"):
        return np.asarray((x * y).sum(-1) / untied)


def mean_of(values: Sequence[float]) -> Estimate:
    """Return the mean with its t interval."""
    n = len(values)
    mean = float(np.mean(values)) if n else math.nan
    if n < 2:
        return Estimate(mean, math.nan, math.nan, n)
    reach = float(stdtrit(n - 1, 0.975) * np.std(values, ddof=1) / math.sqrt(n))
    return Estimate(mean, mean - reach, mean + reach, n)


@dataclass(frozen=True)
class Pair:
    """Two architectures compared: ``difference`` of their means (first minus second),
    ``p`` after Holm's correction for all pairs, and whether that is below 0.05."""

    first: str
    second: str
    difference: float
    p: float

    @property
    def distinguishable(self) -> bool:
        """Whether the seeds tell the two apart at the 5 % level, all pairs together."""
        return self.p < 0.05


def pairs(samples: Mapping[str, Sequence[float]]) -> list[Pair]:
    """Compare all architectures with two trainings or more with each other.

    t tests with the standard deviation pooled over all of them (with three seeds each, a variance
    of one's own says next to nothing), corrected by Holm (1979) for the number of pairs.
    """
    groups = {name: np.asarray(v, float) for name, v in samples.items() if len(v) > 1}
    freedom = sum(len(v) - 1 for v in groups.values())
    if len(groups) < 2:
        return []
    variance = sum(float(((v - v.mean()) ** 2).sum()) for v in groups.values()) / freedom
    raw: list[tuple[str, str, float, float]] = []
    for a, b in itertools.combinations(groups, 2):
        difference = float(groups[a].mean() - groups[b].mean())
        error = math.sqrt(variance * (1 / len(groups[a]) + 1 / len(groups[b])))
        if error > 0:
            p = 2 * float(stdtr(freedom, -abs(difference) / error))
        else:
            p = 0.0 if difference else 1.0
        raw.append((a, b, difference, p))
    order = sorted(range(len(raw)), key=lambda i: raw[i][3])
    adjusted, least = [0.0] * len(raw), 0.0
    for rank, i in enumerate(order):
        least = max(least, min(1.0, (len(raw) - rank) * raw[i][3]))
        adjusted[i] = least
    return [Pair(a, b, d, adjusted[i]) for i, (a, b, d, _) in enumerate(raw)]


__all__ = ["Estimate", "Pair", "kendall", "mean_of", "pairs"]
