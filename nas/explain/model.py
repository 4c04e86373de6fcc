"""A linear mixed model with weak priors: effects of choices at equal cost, with honest intervals.

y = level of the rung + curve of the costs + sum of share x effect + what is left, where what is
left has parts for choices that work differently together (products of shares), parts that
architectures share because they resemble each other or are the same one, and noise of each rung.
The variances of those parts are found by restricted maximum likelihood (Patterson and Thompson,
1971); effects have a prior so weak that it only matters where the data say nothing. The design
does not enter the likelihood, so a sampler that prefers what has done well so far does not bias
the effects, given the model (Rubin, 1976, ignorability).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, lapack, solve_triangular
from scipy.optimize import minimize

Array = NDArray[np.float64]
PRIOR = 2.0  # standard deviation of an effect, in those of the response
LARGEST = 400  # rows on which variances are estimated; the effects use all rows


@dataclass(frozen=True)
class Data:
    """Rows to be explained: response (n,), shares (n, p), log costs (n, k), rung, architecture.

    ``centre`` (p,) is the mix of choices around which choices interact: an effect is meant on
    average over the other slots' choices.
    """

    response: Array
    shares: Array
    costs: Array
    rung: NDArray[np.int64]
    architecture: NDArray[np.int64]
    distance: NDArray[np.uint16]
    centre: Array

    def take(self, rows: NDArray[np.int64]) -> Data:
        """Return some of the rows."""
        return Data(
            self.response[rows],
            self.shares[rows],
            self.costs[rows],
            self.rung[rows],
            self.architecture[rows],
            self.distance[np.ix_(rows, rows)],
            self.centre,
        )


@dataclass(frozen=True)
class Fit:
    """Posterior of the effects: ``mean`` (p,), ``covariance`` (p, p), degrees of freedom.

    ``noise`` is the standard deviation of one evaluation at the highest rung; ``evidence`` the log
    likelihood of the response. ``slope`` is the response per unit of each log cost, on average;
    ``variances`` are those of the parts, as shares of the response's.
    """

    mean: Array
    covariance: Array
    freedom: float
    noise: float
    evidence: float
    slope: Array
    variances: Array

    def contrast(self, weights: Array) -> tuple[float, float]:
        """Return estimate and standard error of a weighted sum of effects."""
        return float(weights @ self.mean), float(np.sqrt(weights @ self.covariance @ weights))


def fit(data: Data, near: Fit | None = None) -> Fit:
    """Fit the model to at least four rows.

    ``near`` is a fit of some of the same rows: its variances are where the search for theirs
    starts, if the parts are as many.
    """
    centre, scale = float(data.response.mean()), float(data.response.std()) or 1.0
    y = (data.response - centre) / scale
    fixed, costs_at = _fixed(data)
    rows = np.arange(len(y))
    if len(y) > LARGEST:
        rows = np.sort(np.random.default_rng(0).choice(rows, LARGEST, replace=False))
    some = data.take(rows)
    start = None if near is None else near.variances
    theta, evidence = _variances(y[rows], fixed[rows], np.stack(list(_kernels(some))), start)
    covariance = fixed @ fixed.T
    for size, kernel in zip(theta, _kernels(data), strict=True):  # one at a time in memory
        kernel *= size
        covariance += kernel
    # the other way round it is in the order of LAPACK, which then needs no copy of it
    factor = cho_factor(covariance.T, lower=True, overwrite_a=True)
    del covariance
    p = data.shares.shape[1]
    effects = PRIOR * data.shares
    mean = PRIOR * effects.T @ cho_solve(factor, y)
    root = solve_triangular(factor[0], effects, lower=True)
    posterior = PRIOR**2 * (np.eye(p) - root.T @ root)
    used = float((solve_triangular(factor[0], fixed, lower=True) ** 2).sum())
    slope = fixed[:, costs_at].T @ cho_solve(factor, y) * _COST
    spread = data.costs.std(axis=0)
    noise = theta[len(theta) - 1]
    return Fit(
        mean=scale * mean,
        covariance=scale**2 * posterior,
        freedom=max(3.0, len(np.unique(data.architecture)) - used),
        noise=scale * float(np.sqrt(noise)),
        evidence=evidence - len(rows) * float(np.log(scale)),
        slope=scale * slope / np.where(spread > 0, spread, 1.0),
        variances=theta,
    )


_COST = 3.0  # prior standard deviation of a cost's slope, per standard deviation of its logarithm


def _fixed(data: Data) -> tuple[Array, slice]:
    """Columns scaled by their priors: effects, rungs' levels, slopes of the costs."""
    rungs = np.unique(data.rung)
    levels = 10.0 * (data.rung[:, None] == rungs).astype(float)
    costs = _COST * _standard(data.costs)
    p = data.shares.shape[1]
    start = p + len(rungs)
    return np.hstack([PRIOR * data.shares, levels, costs]), slice(start, start + costs.shape[1])


def _standard(columns: Array) -> Array:
    spread = columns.std(axis=0)
    return (columns - columns.mean(axis=0)) / np.where(spread > 0, spread, 1.0)


def _kernels(data: Data) -> Iterator[Array]:
    """Yield covariances whose sizes are to be found; last the noise of the highest rung."""
    yield _bell(_gaps(_standard(data.costs)), -0.5)  # no name here may keep an (n, n) array alive
    middle = float(np.median(data.distance[data.distance > 0])) if data.distance.any() else 1.0
    same_rung = data.rung[:, None] == data.rung[None, :]
    yield _bell(data.distance.astype(np.float64), -2 / middle)
    away = data.shares - data.centre
    yield _squared(away @ away.T)
    if len(np.unique(data.architecture)) < len(data.architecture):
        yield (data.architecture[:, None] == data.architecture[None, :]).astype(float)
    rungs: Sequence[int] = np.unique(data.rung).tolist()
    lower = data.rung < rungs[-1]
    if lower.any():  # effects at a lower rung differ from those at the highest
        yield data.shares @ data.shares.T * (same_rung & lower[:, None])
    for rung in rungs:
        yield np.diag((data.rung == rung).astype(float))


def _gaps(columns: Array) -> Array:
    """Return the squared distance (n, n) of any two rows, by their products: one pass is enough."""
    squares = np.square(columns).sum(axis=1)
    gaps: Array = columns @ (-2 * columns.T)
    gaps += squares[:, None]
    gaps += squares
    return np.maximum(gaps, 0, out=gaps)


def _bell(values: Array, factor: float) -> Array:
    """Return exp(factor x values), in the place of the values."""
    values *= factor
    return np.exp(values, out=values)


def _squared(values: Array) -> Array:
    """Return the squares, in the place of the values."""
    return np.square(values, out=values)


def _variances(
    y: Array, fixed: Array, kernels: Array, near: Array | None = None
) -> tuple[Array, float]:
    """Return the variances that make the response likeliest, and its log likelihood there.

    Args:
        y: the response (n,).
        fixed: (n, p), columns scaled by their priors.
        kernels: (k, n, n).
        near: variances close to those sought; without them, or of other parts, a tenth each.
    """
    base, flat = fixed @ fixed.T, kernels.reshape(len(kernels), -1)
    above = np.triu(np.ones(base.shape, dtype=bool), 1)

    def loss(logs: Array) -> tuple[float, Array]:
        sizes = np.exp(logs)
        total = base + (sizes @ flat).reshape(base.shape)
        lower, _ = cho_factor(total, lower=True)
        inverse = _inverse(lower, above)
        alpha = inverse @ y
        value = 0.5 * float(y @ alpha) + float(np.log(np.diag(lower)).sum())
        inverse -= np.outer(alpha, alpha)
        slope = 0.5 * sizes * (flat @ inverse.ravel(order="K"))  # symmetric, as the kernels are
        # a slight preference for sizes near a tenth of the response's variance keeps a part from
        # being declared exactly nothing by a flat likelihood, which would narrow the intervals
        away = logs - np.log(0.1)
        return value + 0.5 * float((away / 3.0) @ (away / 3.0)), slope + away / 9.0

    start = np.full(len(kernels), np.log(0.1))
    if near is not None and len(near) == len(kernels):
        start = np.log(near)
    bounds = [(np.log(1e-6), np.log(1e2))] * len(kernels)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds,
                     options={"maxiter": 60, "ftol": 1e-8})  # fmt: skip
    return np.exp(found.x), -float(found.fun)


def _inverse(lower: Array, above: Array) -> Array:
    """Return the inverse of a matrix of which the lower triangle holds the Cholesky factor.

    ``above`` masks the upper triangle, which is filled in place.
    """
    inverse: Array
    inverse, failed = lapack.dpotri(lower, lower=1)
    if failed:
        raise np.linalg.LinAlgError("a covariance could not be inverted")
    np.copyto(inverse, inverse.T, where=above)
    return inverse


__all__ = ["Data", "Fit", "fit"]
