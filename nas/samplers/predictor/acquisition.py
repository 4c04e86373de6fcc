"""One ask of the predictor: beliefs about candidates, the front as believed, the gain expected."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.front.pareto import non_dominated
from plugnas.nas.samplers.predictor.aim import Aim
from plugnas.nas.samplers.predictor.expected_improvement import Belief, expected_improvement
from plugnas.nas.samplers.predictor.features import Rows
from plugnas.nas.samplers.predictor.model import Model, posterior_of
from plugnas.nas.samplers.predictor.warp import Warp

Codes = NDArray[np.int16]
Doubles = NDArray[np.float64]

_SHORTLIST = 128  # candidates of which the variance is worked out rather than bounded
_PARENTS = 24  # from which relatives are made, at least
_SMALL = 64  # measurements up to which it is worked out for all


class Acquisition:
    """The model with what is pending taken as measured, at its expected value.

    ``close`` gives the model back as it was.
    """

    def __init__(self, model: Model, pending: Codes, aim: Aim) -> None:
        self.model, self.problem, self.aim = model, model.problem, aim
        told = model.observations
        costs = self.problem.costs(pending)
        rows = self.encode(pending, costs)
        self.warps: list[Warp] = []
        self.values: list[Doubles] = []  # what the hints leave over
        self._weights: list[Doubles] = []
        self._trends: list[Doubles] = []
        hinted = told.rows(model.active)
        for j, objective in enumerate(model.objectives):
            warp, z = model.current(j)
            posterior = posterior_of(objective)
            covariance = posterior.covariance(posterior.embed(rows))
            self.warps.append(warp)
            self._weights.append(model.weights(j, z))
            z = z - self.trend(j, hinted)
            self.values.append(np.append(z, posterior.mean(covariance, z)))
            self._trends.append(np.append(self.trend(j, hinted), self.trend(j, rows)))
        model.push(rows)
        self._solved = [
            posterior_of(o).solve(z) for o, z in zip(model.objectives, self.values, strict=True)
        ]
        here = np.flatnonzero(told.rungs[model.active] == told.target)
        here = np.append(here, np.arange(len(model.active), len(self.values[0])))
        self._codes = np.concatenate([told.codes[model.active], pending])[here]
        all_costs = np.concatenate([told.costs[model.active], costs])[here]
        reached = [self._reached(j)[here] for j in range(len(self.warps))]
        self.front = np.column_stack([*reached, aim.columns(all_costs)])
        lowest = [column.min() for column in reached]
        self.reference = np.append(lowest, aim.reference(told.costs))

    def close(self) -> None:
        """Take the pending rows back out of the model."""
        self.model.shrink()

    def encode(self, codes: Codes, costs: Doubles) -> Rows:
        """Return the rows of candidates at the rung of prediction."""
        rungs = np.full(len(codes), self.model.rung, dtype=np.int64)
        return self.model.features.encode(codes, costs, rungs)

    def trend(self, j: int, rows: Rows) -> Doubles:
        """Return the mean of objective j by the hints alone (n,)."""
        return rows.lines @ self._weights[j]

    def _reached(self, j: int) -> Doubles:
        """Return objective j of the rows with the noise taken out."""
        noise = posterior_of(self.model.objectives[j]).noise
        return self.warps[j].back(self.values[j] - noise * self._solved[j] + self._trends[j])

    def parents(self) -> Codes:
        """Return the rows on the front as believed, and on the next ones while they are few."""
        left = np.arange(len(self.front))
        chosen = left[:0]
        while len(left) and len(chosen) < _PARENTS:
            best = non_dominated(self.front[left], ["max"] * self.front.shape[1])
            chosen = np.append(chosen, left[best])
            left = left[~best]
        return self._codes[chosen]

    def improvement(
        self, means: list[Doubles], variances: list[Doubles], costs: Doubles
    ) -> Doubles:
        """Return the expected hypervolume improvement (n,) of candidates."""
        beliefs = [
            Belief(mean, np.sqrt(variance), warp)
            for mean, variance, warp in zip(means, variances, self.warps, strict=True)
        ]
        return expected_improvement(beliefs, self.aim.columns(costs), self.front, self.reference)

    def score(self, codes: Codes, costs: Doubles, *, exact: bool = True) -> Doubles:
        """Return the expected improvement (n,) of candidates; -1 for those that cannot lead.

        The variance is first bounded from the nearest row alone; more variance only means more
        improvement, so a candidate with a low bound needs no exact value. With ``exact=False``
        the bounds are returned.
        """
        if len(codes) == 0:
            return np.zeros(0)
        rows = self.encode(codes, costs)
        posteriors = [posterior_of(o) for o in self.model.objectives]
        covariances = [p.covariance(p.embed(rows)) for p in posteriors]
        means = [
            c @ s + self.trend(j, rows)
            for j, (c, s) in enumerate(zip(covariances, self._solved, strict=True))
        ]
        chosen = np.arange(len(codes))
        if not exact or (posteriors[0].size > _SMALL and len(codes) > _SHORTLIST):
            bounds = [
                np.maximum(p.amplitude - c.max(axis=1) ** 2 / (p.amplitude + p.noise), 1e-9)
                for p, c in zip(posteriors, covariances, strict=True)
            ]
            bound = self.improvement(means, [b.astype(np.float64) for b in bounds], costs)
            if not exact:
                return bound
            chosen = np.argsort(-bound, kind="stable")[:_SHORTLIST]
        variances = [p.variance(c[chosen]) for p, c in zip(posteriors, covariances, strict=True)]
        scores = np.full(len(codes), -1.0)
        scores[chosen] = self.improvement([m[chosen] for m in means], variances, costs[chosen])
        return scores
