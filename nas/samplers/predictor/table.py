"""Predictions for every architecture of a small space, brought up to date row by row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.samplers.candidate_pool import CandidatePool
from plugnas.nas.samplers.predictor.acquisition import Acquisition
from plugnas.nas.samplers.predictor.features import Embedding, Floats
from plugnas.nas.samplers.predictor.gaussian_process import Posterior
from plugnas.nas.samplers.predictor.model import posterior_of

Doubles = NDArray[np.float64]

NUMBERS = 6_000_000
"""Numbers kept at most per objective: measurements in use times candidates."""

_CHUNK = 2048


class Table:
    """The candidates of a listed space under one fit of the model.

    Where measurements times candidates are too many, the fit is acquisition once which candidates
    may still lead, and only those are followed until the next fit.
    """

    def __init__(self, acquisition: Acquisition, pool: CandidatePool) -> None:
        self.version = acquisition.model.version
        free = np.flatnonzero(pool.free())
        posteriors = [posterior_of(o) for o in acquisition.model.objectives]
        keep = max(NUMBERS // posteriors[0].capacity, 1)
        if len(free) > keep and len(free) * posteriors[0].size > NUMBERS:
            scores = [
                acquisition.score(pool.table[part], pool.table_costs[part], exact=False)
                for part in np.array_split(free, len(free) // _CHUNK + 1)
            ]
            order = np.argsort(-np.concatenate(scores), kind="stable")
            free = np.sort(free[order[:keep]])
        self.index = free
        self._known = pool.table_costs[free]
        self._rows = acquisition.encode(pool.table[free], self._known)
        self._columns = [_Projection(p, p.embed(self._rows)) for p in posteriors]

    def scores(self, acquisition: Acquisition) -> Doubles:
        """Return the expected improvement of the candidates, (len(index),)."""
        size = len(acquisition.model.active)
        means, variances = [], []
        for j, column in enumerate(self._columns):
            posterior = posterior_of(acquisition.model.objectives[j])
            mean, variance = column.predict(
                posterior, posterior.whiten(acquisition.values[j]), size
            )
            means.append(mean + acquisition.trend(j, self._rows))
            variances.append(variance)
        return acquisition.improvement(means, variances, self._known)


class _Projection:
    """The inverse Cholesky factor times the covariance with every candidate, row by row."""

    def __init__(self, posterior: Posterior, points: Embedding) -> None:
        self._points = points
        self._prior = posterior.prior(points)
        self._data: Floats = np.zeros((posterior.capacity, len(points)), dtype=np.float32)
        self._settled = posterior.size
        self._data[: posterior.size] = posterior.project(posterior.covariance(points))
        self._explained = (self._data[: posterior.size] ** 2).sum(axis=0)

    def predict(
        self, posterior: Posterior, whitened: Doubles, settled: int
    ) -> tuple[Doubles, Doubles]:
        """Return mean and variance of the candidates; rows from ``settled`` on are pending."""
        for i in range(self._settled, settled):
            self._explained += self._take(posterior, i) ** 2
        self._settled = settled
        explained = self._explained
        for i in range(settled, posterior.size):
            explained = explained + self._take(posterior, i) ** 2
        mean = whitened.astype(np.float32) @ self._data[: posterior.size]
        variance = np.maximum(self._prior - explained.astype(np.float64), 1e-9)
        return mean.astype(np.float64), variance

    def _take(self, posterior: Posterior, i: int) -> Floats:
        covariance = posterior.covariance(self._points, slice(i, i + 1))[:, 0]
        below, diagonal = posterior.factor_row(i)
        self._data[i] = (covariance - below @ self._data[:i]) / diagonal
        return self._data[i]
