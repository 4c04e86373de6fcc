"""The mean of the process: a weighted sum of what hints say, kept only where it is shown to help.

A hint is something known before the search: another run, a score without training, effects of
modules elsewhere. Its weight has a normal prior around 0 and is never below 0: what speaks against
a hint switches it off. This is the autoregressive form of co-kriging (Kennedy and O'Hagan, 2000) in
which the other source is fitted first (Le Gratiet and Garnier, 2014); weights of a known mean:
Rasmussen and Williams (2006), section 2.7.

A weight is 0 unless it is as many standard errors from 0 as the extended criterion of Schwarz wants
of a coefficient (Chen and Chen, 2008, Biometrika 95(3)): the more is measured, and the more columns
a hint has to choose from, the surer it has to be, so that a hint which says nothing is left out in
the end. And the mean counts only where it predicts better.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.samplers.predictor.gaussian_process import Posterior

Doubles = NDArray[np.float64]

VARIANCE = 1 / 3
"""Of a hint's weight before anything is measured: it is expected to explain a quarter."""


def weights_of(
    posterior: Posterior, lines: Doubles, values: Doubles, widths: Doubles | None = None
) -> Doubles:
    """Return the weight of each column of the hints (columns,), given values of the rows.

    Args:
        posterior: of the process around the mean.
        lines: what the hints say of its rows (n, columns).
        values: standardised (n,).
        widths: how many columns the hint of each column has; None: 1.
    """
    white = posterior.whiten(lines)
    towards = white.T @ posterior.whiten(values)
    precision = white.T @ white + np.eye(lines.shape[1]) / VARIANCE
    result = np.zeros(lines.shape[1])
    kept = np.arange(lines.shape[1])
    choice = np.ones_like(result) if widths is None else widths
    needed = np.sqrt(np.log(max(len(values), 2)) + 2 * np.log(choice))
    while len(kept):
        covariance = np.linalg.inv(precision[np.ix_(kept, kept)])
        found = covariance @ towards[kept]
        errors = found / np.sqrt(np.diag(covariance))
        short = needed[kept] - errors
        if (short < 0).all():
            result[kept] = found
            break
        kept = np.delete(kept, np.argmax(short))
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
