"""The mean of the process: a weighted sum of what hints say, kept only where it predicts better.

A hint is something known before the search: another run, a score without training, what modules
were worth elsewhere. Its weight has a normal prior around 0 and is never below 0: what speaks
against a hint switches it off. This is the autoregressive form of co-kriging (Kennedy and O'Hagan,
2000) in which the other source is fitted first (Le Gratiet and Garnier, 2014); weights of a known
mean: Rasmussen and Williams (2006), section 2.7.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.samplers.predictor.gaussian_process import Posterior

Doubles = NDArray[np.float64]

VARIANCE = 1 / 3
"""Of a hint's weight before anything is measured: it is expected to explain a quarter."""


def weights_of(posterior: Posterior, lines: Doubles, values: Doubles) -> Doubles:
    """Return the weight of each hint (hints,), given values of the posterior's rows.

    Args:
        posterior: of the process around the mean.
        lines: what the hints say of its rows (n, hints).
        values: standardised (n,).
    """
    white = posterior.whiten(lines)
    towards = white.T @ posterior.whiten(values)
    precision = white.T @ white + np.eye(lines.shape[1]) / VARIANCE
    result = np.zeros(lines.shape[1])
    kept = np.arange(lines.shape[1])
    while len(kept):
        found = np.linalg.solve(precision[np.ix_(kept, kept)], towards[kept])
        if (found >= 0).all():
            result[kept] = found
            break
        kept = kept[found > 0]
    return result


def left_out_density(posterior: Posterior, lines: Doubles, values: Doubles) -> float:
    """Return the sum of log densities of each value given all the others, constants left out.

    Rasmussen and Williams (2006), section 5.4.2; the weights of the hints are unknown there.

    Args:
        posterior: of the process around the mean.
        lines: what the hints say of its rows (n, hints); no column without hints.
        values: standardised (n,).
    """
    factor = posterior.whiten(np.eye(len(values)))
    inverse = factor.T @ factor
    across = inverse @ lines
    inner = np.eye(lines.shape[1]) / VARIANCE + lines.T @ across
    inverse = inverse - across @ np.linalg.solve(inner, across.T)
    variance = 1 / np.maximum(np.diag(inverse), 1e-12)
    miss = (inverse @ values) * variance
    return float(-0.5 * (np.log(variance) + miss**2 / variance).sum())
