"""A Gaussian process over architectures that grows one measurement at a time.

Rasmussen and Williams (2006), chapters 2 and 5. The inverse of the Cholesky factor is kept and
extended by a row per measurement, so that a prediction is two matrix products.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack
from scipy.optimize import minimize

from plugnas.nas.samplers.predictor.features import (
    Embedding,
    Features,
    Floats,
    Rows,
    affinity,
    embed,
)

Doubles = NDArray[np.float64]

NOISE = 3e-3
"""Where the noise variance is expected, in units of the values' variance."""

_BOUNDS = (-9.0, 6.0)
_WIDTH = 1.5  # how far a logarithm may be from its first guess, one standard deviation


class ModelError(ArithmeticError):
    """A model that cannot be computed; the search goes on without it."""


def cholesky(kernel: Doubles) -> tuple[Doubles, float]:
    """Return the lower Cholesky factor of a covariance (n, n), and what was added to its diagonal.

    Nothing is added where that works, else as little as makes it positive definite: rounding alone
    can leave a smallest eigenvalue below 0 where rows are alike and the noise is small.

    Raises:
        ModelError: a number that is not finite, or no addition helps.
    """
    if not np.isfinite(kernel).all():
        raise ModelError("the covariance of the measurements is not finite")
    scale = float(np.diag(kernel).mean()) if len(kernel) else 1.0
    for jitter in (0.0, *(scale * 10.0**e for e in range(-10, 0))):
        factor, info = lapack.dpotrf(kernel + jitter * np.eye(len(kernel)), lower=1)
        if info == 0 and np.isfinite(factor).all():
            return np.tril(factor), jitter
    raise ModelError("the covariance of the measurements is not positive definite")


class Hyperparameters:
    """Logarithms of amplitude, group weights and noise, fitted to the marginal likelihood.

    Each has a normal prior around its first guess, without which a dozen measurements would switch
    half of the choices off.
    """

    def __init__(self, features: Features) -> None:
        self.features = features
        self._prior = np.concatenate([[0.0], features.start, [np.log(NOISE)]])
        self._log = self._prior.copy()

    @property
    def amplitude(self) -> float:
        """Variance of the process."""
        return float(np.exp(self._log[0]))

    @property
    def weights(self) -> Doubles:
        """Relevance of each group (groups,)."""
        return np.exp(self._log[1:-1])

    @property
    def noise(self) -> float:
        """Variance of a measurement around the process."""
        return float(np.exp(self._log[-1]))

    def fit(self, distances: Floats, values: Doubles, steps: int) -> None:
        """Climb the marginal likelihood of standardised values (n,) from where it stands."""
        if not np.isfinite(values).all():
            raise ModelError("the values to fit are not finite")
        flat = distances.reshape(len(distances), -1).astype(np.float64)

        def loss(log: Doubles) -> tuple[float, Doubles]:
            return self._loss(log, flat, values)

        result = minimize(
            loss,
            self._log,
            jac=True,
            method="L-BFGS-B",
            bounds=[_BOUNDS] * len(self._log),
            options={"maxiter": steps, "maxfun": 2 * steps},
        )
        if np.isfinite(result.x).all():
            self._log = np.clip(result.x, *_BOUNDS)

    def _loss(self, log: Doubles, flat: Doubles, values: Doubles) -> tuple[float, Doubles]:
        n = len(values)
        kernel = np.exp(log[0] - np.exp(log[1:-1]) @ flat).reshape(n, n)
        noise = np.exp(log[-1])
        factor, info = lapack.dpotrf(kernel + noise * np.eye(n), lower=1)
        if info != 0:
            return 1e10, np.zeros_like(log)
        inverse, _ = lapack.dpotri(factor, lower=1)
        inverse = np.tril(inverse) + np.tril(inverse, -1).T
        weighted = inverse @ values
        pull = (log - self._prior) / _WIDTH
        value = 0.5 * values @ weighted + np.log(np.diag(factor)).sum() + 0.5 * pull @ pull
        slack = inverse - np.outer(weighted, weighted)
        towards = slack * kernel
        gradient = np.concatenate(
            [
                [0.5 * towards.sum()],
                -0.5 * np.exp(log[1:-1]) * (flat @ towards.ravel()),
                [0.5 * noise * np.trace(slack)],
            ]
        )
        return float(value), gradient + pull / _WIDTH


class Posterior:
    """The process given some rows; their values come with each question.

    Values may change (they are standardised anew at every question), the rows only grow.
    """

    def __init__(self, hyperparameters: Hyperparameters, rows: Rows, capacity: int) -> None:
        self.features = hyperparameters.features
        self.amplitude, self.noise = hyperparameters.amplitude, hyperparameters.noise
        self.weights = hyperparameters.weights
        self.size = len(rows)
        self.capacity = max(capacity, len(rows))
        points = self.embed(rows)
        self._points = _Columns(points, self.capacity)
        self._inverse = np.zeros((self.capacity, self.capacity))
        self._factor = np.zeros((self.capacity, self.capacity), dtype=np.float32)
        kernel = self.amplitude * affinity(points, points).astype(np.float64)
        kernel[np.diag_indices(len(rows))] = self.amplitude + self.noise
        factor, jitter = cholesky(kernel)
        self.noise += jitter  # rows that join later are treated alike
        inverse, _ = lapack.dtrtri(factor, lower=1)
        self._inverse[: self.size, : self.size] = np.tril(inverse)
        self._factor[: self.size, : self.size] = factor
        self._single: Floats | None = None

    def embed(self, rows: Rows) -> Embedding:
        """Return rows as points of this kernel's space."""
        return embed(self.features, rows, self.weights)

    def covariance(self, points: Embedding, rows: slice | None = None) -> Floats:
        """Return the prior covariance of points with (some of) the rows, (len(points), rows)."""
        rows = slice(0, self.size) if rows is None else rows
        return np.float32(self.amplitude) * self._points.affinity(points, rows)

    def factor_row(self, i: int) -> tuple[Floats, float]:
        """Return row i of the Cholesky factor: left of the diagonal (i,), and the diagonal."""
        return self._factor[i, :i], float(self._factor[i, i])

    def append(self, point: Embedding) -> None:
        """Add one row, up to ``capacity``."""
        n = self.size
        known = self._inverse[:n, :n]
        below = known @ self.covariance(point)[0].astype(np.float64)
        rest = self.amplitude + self.noise - below @ below
        diagonal = float(np.sqrt(max(rest, 0.5 * self.noise)))
        self._inverse[n, :n] = -(below @ known) / diagonal
        self._inverse[n, n] = 1 / diagonal
        self._factor[n, :n], self._factor[n, n] = below, diagonal
        self._points.append(point, n)
        self.size += 1
        self._single = None

    def shrink(self, size: int) -> None:
        """Forget the rows after the first ``size``."""
        self._inverse[size : self.size] = 0
        self.size = size
        self._single = None

    def whiten(self, values: Doubles) -> Doubles:
        """Return values (size,), or columns of them, in the coordinates of the factor."""
        return self._inverse[: self.size, : self.size] @ values

    def solve(self, values: Doubles) -> Doubles:
        """Return the inverse of the rows' covariance times values, (size,)."""
        return self.whiten(values) @ self._inverse[: self.size, : self.size]

    def mean(self, covariance: Floats, values: Doubles) -> Doubles:
        """Return the mean at points of a given covariance with the rows."""
        return covariance.astype(np.float64) @ self.solve(values)

    def variance(self, covariance: Floats) -> Doubles:
        """Return the variance of the process, without noise, at points."""
        if self._single is None:
            self._single = self._inverse[: self.size, : self.size].astype(np.float32)
        explained = (self.project(covariance) ** 2).sum(axis=0)
        return np.maximum(self.amplitude - explained.astype(np.float64), 1e-9)

    def project(self, covariance: Floats) -> Floats:
        """Return the inverse factor times the covariance with points, (size, len(points))."""
        if self._single is None:
            self._single = self._inverse[: self.size, : self.size].astype(np.float32)
        return self._single @ covariance.T


class _Columns:
    """The points of the rows, transposed and with room to grow."""

    def __init__(self, points: Embedding, capacity: int) -> None:
        n = len(points)
        self._hot = np.zeros((points.hot.shape[1], capacity), dtype=np.float32)
        self._dense = np.zeros((points.dense.shape[1], capacity), dtype=np.float32)
        self._norm = np.zeros(capacity, dtype=np.float32)
        self._hot[:, :n] = points.hot.toarray().T
        self._dense[:, :n] = points.dense.T
        self._norm[:n] = points.norm

    def append(self, point: Embedding, n: int) -> None:
        self._hot[:, n] = point.hot.toarray()[0]
        self._dense[:, n] = point.dense[0]
        self._norm[n] = point.norm[0]

    def affinity(self, points: Embedding, rows: slice) -> Floats:
        with np.errstate(invalid="ignore"):  # BLAS raises the flag on finite numbers, too
            exponent = points.dense @ self._dense[:, rows]
        exponent -= 0.5 * points.norm[:, None]
        exponent -= 0.5 * self._norm[None, rows]
        exponent += points.hot @ self._hot[:, rows]
        return np.exp(np.minimum(exponent, 0.0, out=exponent), out=exponent)
