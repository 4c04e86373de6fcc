"""A Gaussian process over architectures that grows one measurement at a time.

Rasmussen and Williams (2006), chapters 2 and 5. The inverse of the Cholesky factor is kept and
extended by a row per measurement, so that a prediction is two matrix products.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from plugnas.nas.samplers.predictor.features import Embedding, Floats, Rows, embed
from plugnas.nas.samplers.predictor.hyperparameters import Hyperparameters, ModelError

Doubles = NDArray[np.float64]


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


class Posterior:
    """The process given some rows; their values come with each question.

    Values may change (they are standardised anew at every question), the rows only grow.

    Args:
        hyperparameters: of the kernel.
        rows: the first rows.
        noise: variance of each of their measurements (n,).
        capacity: rows at most.
    """

    def __init__(
        self, hyperparameters: Hyperparameters, rows: Rows, noise: Doubles, capacity: int
    ) -> None:
        self.features = hyperparameters.features
        self.amplitude, self.linear = hyperparameters.amplitude, hyperparameters.linear
        self.weights, self.trends = hyperparameters.weights, hyperparameters.trends
        self.size = len(rows)
        self.capacity = max(capacity, len(rows))
        points = self.embed(rows)
        self._points = _Columns(points, self.capacity)
        self._inverse = np.zeros((self.capacity, self.capacity))
        self._factor = np.zeros((self.capacity, self.capacity), dtype=np.float32)
        self._noise = np.zeros(self.capacity)
        kernel = self.covariance(points).astype(np.float64)
        kernel = 0.5 * (kernel + kernel.T)
        kernel[np.diag_indices(len(rows))] = self.prior(points) + noise
        factor, jitter = cholesky(kernel)
        self._noise[: self.size] = noise + jitter
        inverse, _ = lapack.dtrtri(factor, lower=1)
        self._inverse[: self.size, : self.size] = np.tril(inverse)
        self._factor[: self.size, : self.size] = factor
        self._single: Floats | None = None

    @property
    def noise(self) -> Doubles:
        """Variance of the measurement of each row (size,)."""
        return self._noise[: self.size]

    def embed(self, rows: Rows) -> Embedding:
        """Return rows as points of this kernel's space."""
        return embed(self.features, rows, self.weights, self.trends)

    def prior(self, points: Embedding) -> Doubles:
        """Return the variance of the process at points before anything is measured (n,)."""
        return self.amplitude + points.spread(self.linear)

    def covariance(self, points: Embedding, rows: slice | None = None) -> Floats:
        """Return the prior covariance of points with (some of) the rows, (len(points), rows)."""
        rows = slice(0, self.size) if rows is None else rows
        return self._points.covariance(points, rows, self.amplitude, self.linear)

    def bound(self, points: Embedding, covariance: Floats) -> Doubles:
        """Return what the variance at points is at most, from the one row that says most (n,)."""
        own = (self.amplitude + self._points.spread(self.size, self.linear) + self.noise) ** -0.5
        most = (covariance * own.astype(np.float32)).max(axis=1, initial=0.0)
        return np.maximum(self.prior(points) - most.astype(np.float64) ** 2, 1e-9)

    def factor_row(self, i: int) -> tuple[Floats, float]:
        """Return row i of the Cholesky factor: left of the diagonal (i,), and the diagonal."""
        return self._factor[i, :i], float(self._factor[i, i])

    def append(self, point: Embedding, noise: float) -> None:
        """Add one row, up to ``capacity``, whose measurement has a variance of ``noise``."""
        n = self.size
        known = self._inverse[:n, :n]
        below = known @ self.covariance(point)[0].astype(np.float64)
        rest = float(self.prior(point)[0]) + noise - below @ below
        diagonal = float(np.sqrt(max(rest, 0.5 * noise)))
        self._inverse[n, :n] = -(below @ known) / diagonal
        self._inverse[n, n] = 1 / diagonal
        self._factor[n, :n], self._factor[n, n] = below, diagonal
        self._points.append(point, n)
        self._noise[n] = noise
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

    def smoothed(self, values: Doubles) -> Doubles:
        """Return the values of the rows with the noise taken out (size,)."""
        return values - self.noise * self.solve(values)

    def variance(self, points: Embedding, covariance: Floats) -> Doubles:
        """Return the variance of the process, without noise, at points."""
        explained = (self.project(covariance) ** 2).sum(axis=0)
        return np.maximum(self.prior(points) - explained.astype(np.float64), 1e-9)

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
        self._trend = np.zeros((points.trend.shape[1], capacity), dtype=np.float32)
        self._context = np.zeros((points.context.shape[1], capacity), dtype=np.float32)
        self._hot[:, :n] = points.hot.toarray().T
        self._dense[:, :n] = points.dense.T
        self._norm[:n] = points.norm
        self._trend[:, :n] = points.trend.T
        self._context[:, :n] = points.context.T

    def append(self, point: Embedding, n: int) -> None:
        self._hot[:, n] = point.hot.toarray()[0]
        self._dense[:, n] = point.dense[0]
        self._norm[n] = point.norm[0]
        self._trend[:, n] = point.trend[0]
        self._context[:, n] = point.context[0]

    def spread(self, size: int, linear: float) -> Doubles:
        trend = self._trend[:, :size].astype(np.float64)
        return linear * self._norm[:size].astype(np.float64) + (trend**2).sum(axis=0)

    def covariance(self, points: Embedding, rows: slice, amplitude: float, linear: float) -> Floats:
        with np.errstate(invalid="ignore"):  # BLAS raises the flag on finite numbers, too
            product = points.dense @ self._dense[:, rows]
            product += points.hot @ self._hot[:, rows]
            result = points.trend @ self._trend[:, rows]
        result += np.float32(linear) * product
        product -= 0.5 * points.norm[:, None]
        product -= 0.5 * self._norm[None, rows]
        np.exp(np.minimum(product, 0.0, out=product), out=product)
        product *= np.float32(amplitude)
        result += product
        context = self._context[:, rows]
        if len(points) and not (points.in_one_context and (points.context[0] == context.T).all()):
            for mine, theirs in zip(points.context.T, context, strict=True):
                result *= np.exp(-0.5 * (mine[:, None] - theirs[None, :]) ** 2)
        return result
