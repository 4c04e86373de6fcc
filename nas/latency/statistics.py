"""Which candidates are ties, by the rounds of both, and how two rankings agree."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.latency.figures import error_of_median, medians, relative_errors

# Two sessions on one machine differ by more than the rounds of either show (alignment, caches):
# a gap below this share is a tie however many rounds there were.
FLOOR = 0.02


def are_tied(samples: NDArray[np.float64], a: int, b: int) -> bool:
    """Whether two candidates are closer than the error of their ratio, round by round."""
    ratio = np.log(samples[:, a] / samples[:, b])[:, None]
    return bool(abs(np.median(ratio)) < max(FLOOR, 2 * error_of_median(ratio)[0]))


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


__all__ = ["FLOOR", "are_tied", "kendall_tau", "medians", "relative_errors", "tie_groups"]
