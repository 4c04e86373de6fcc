"""One ask of the predictor: beliefs about candidates, the front as believed, the gain expected."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.front.pareto import non_dominated, ranks
from plugnas.nas.samplers.predictor.aim import Aim
from plugnas.nas.samplers.predictor.expected_improvement import Belief, expected_improvement
from plugnas.nas.samplers.predictor.features import Rows
from plugnas.nas.samplers.predictor.model import Model, posterior_of
from plugnas.nas.samplers.predictor.warp import Warp

Codes = NDArray[np.int16]
Doubles = NDArray[np.float64]

_SHORTLIST = 128  # candidates of which the variance is worked out rather than bounded
_PARENTS = 24  # from which relatives are made, at least
_NEAR = 3  # ranks of the front as shown that may be measured again
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
        expected: list[Doubles] = []
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
            expected.append((self.values[-1] + self._trends[-1])[len(z) :])
        model.push(rows, expected, np.zeros(len(rows), dtype=bool))
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

    def leaders(self, hidden: Collection[bytes]) -> tuple[Codes, Doubles]:
        """Return measured rows (n, P) near the front as shown, and what one more measurement adds.

        The front that is shown goes by the mean of what was measured of each architecture. Of k
        measurements it has a variance of noise / k; one more moves it by a deviation of
        sqrt(noise / k / (k + 1)). What is gained is how much the shown volume is expected to grow,
        from where it is, by putting the architecture where it then belongs.

        Args:
            hidden: keys of rows that are being measured.
        """
        told, active = self.model.observations, self.model.active
        here = np.flatnonzero(told.rungs[active] == told.target)
        rows, kind, counts = np.unique(
            told.codes[active][here], axis=0, return_inverse=True, return_counts=True
        )
        kind = kind.reshape(-1)
        shown, moves = [], []
        for j, objective in enumerate(self.model.objectives):
            values = (self.values[j] + self._trends[j])[here]
            shown.append(np.bincount(kind, values) / counts)
            noise = objective.hyperparameters.noise_of(shown[-1], np.zeros(len(rows), dtype=bool))
            moves.append(np.sqrt(noise / counts / (counts + 1)))
        columns = self.aim.columns(self.problem.costs(rows))
        front = np.column_stack([*map(_back, self.warps, shown), columns])
        free = np.array([row.tobytes() not in hidden for row in rows], dtype=bool)
        near = np.flatnonzero(free & (ranks(front, ["max"] * front.shape[1]) < _NEAR))
        gains = [self._moved(int(i), front, shown, moves) for i in near]
        return rows[near], np.array(gains)

    def _moved(self, i: int, front: Doubles, shown: list[Doubles], moves: list[Doubles]) -> float:
        """Return the expected gain of moving row ``i`` of the front as shown.

        A move that changes no expected value gains where it changes who is on the front. The
        reference is moved out of the way: being worse than it is no gain.
        """
        others = np.delete(front, i, axis=0)
        reference = self.reference.copy()
        measured = slice(0, len(shown))
        reference[measured] = front[:, measured].min(axis=0)
        reference[measured] -= 2 * (np.ptp(front[:, measured], axis=0) + 1e-9)
        volumes = []
        for share in (1.0, 0.0):
            beliefs = []
            for mean, move, warp in zip(shown, moves, self.warps, strict=True):
                deviation = share * move[[i]]
                beliefs.append(Belief(warp.kept(mean[[i]], deviation), deviation, warp))
            columns = front[[i], len(shown) :]
            volumes.append(expected_improvement(beliefs, columns, others, reference)[0])
        return float(volumes[0] - volumes[1])

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
        points = [p.embed(rows) for p in posteriors]
        covariances = [p.covariance(x) for p, x in zip(posteriors, points, strict=True)]
        means = [
            c @ s + self.trend(j, rows)
            for j, (c, s) in enumerate(zip(covariances, self._solved, strict=True))
        ]
        chosen = np.arange(len(codes))
        if not exact or (posteriors[0].size > _SMALL and len(codes) > _SHORTLIST):
            bounds = [
                p.bound(x, c) for p, x, c in zip(posteriors, points, covariances, strict=True)
            ]
            bound = self.improvement(means, bounds, costs)
            if not exact:
                return bound
            chosen = np.argsort(-bound, kind="stable")[:_SHORTLIST]
        variances = [
            p.variance(x[chosen], c[chosen])
            for p, x, c in zip(posteriors, points, covariances, strict=True)
        ]
        scores = np.full(len(codes), -1.0)
        scores[chosen] = self.improvement([m[chosen] for m in means], variances, costs[chosen])
        return scores


def _back(warp: Warp, z: Doubles) -> Doubles:
    return warp.back(z)
