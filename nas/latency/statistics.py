"""From rounds to figures: medians with their errors, and which candidates are ties."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Two sessions on one machine differ by more than the rounds of either show (alignment, caches):
# a gap below this share is a tie however many rounds there were.
FLOOR = 0.02


def medians(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """The figure of each candidate: the median of its rounds, (r, n) -> (n,)."""
    return np.median(samples, axis=0)


def relative_errors(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """The standard error of each median, relative to it, (r, n) -> (n,)."""
    logs = np.log(samples)
    return _error_of_median(logs)


def _error_of_median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """1.2533 sigma / sqrt(r) with sigma from the median absolute deviation; outliers weigh little.

    Rounds that fall into two halves with different medians have drifted in a way the anchors did
    not see; half their distance is the error then.
    """
    rounds = len(values)
    deviation = np.median(np.abs(values - np.median(values, axis=0)), axis=0)
    error = 1.2533 * 1.4826 * deviation / np.sqrt(rounds)
    if rounds >= 8:
        first, second = np.array_split(values, 2)
        halves = np.abs(np.median(first, axis=0) - np.median(second, axis=0)) / 2
        error = np.maximum(error, halves)
    return error


def are_tied(samples: NDArray[np.float64], a: int, b: int) -> bool:
    """Whether two candidates are closer than the error of their ratio, round by round."""
    ratio = np.log(samples[:, a] / samples[:, b])[:, None]
    return bool(abs(np.median(ratio)) < max(FLOOR, 2 * _error_of_median(ratio)[0]))


def tie_groups(samples: NDArray[np.float64]) -> list[list[int]]:
    """Candidates from fast to slow, in groups: each is tied with the fastest of its group."""
    groups: list[list[int]] = []
    for i in np.argsort(medians(samples), kind="stable"):
        if groups and are_tied(samples, groups[-1][0], int(i)):
            groups[-1].append(int(i))
        else:
            groups.append([int(i)])
    return groups


def kendall_tau(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Kendall's tau-b between two rankings; NaN where one is constant or shorter than two."""
    from scipy import stats  # slow to import, and this module is imported by every worker

    return float(stats.kendalltau(a, b).statistic) if len(a) > 1 else float("nan")
