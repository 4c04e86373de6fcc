"""A Gaussian process per measured objective, kept up to date with every measurement told.

Everything here depends on the measurements in the order told and on nothing else, so that a
resumed search is where an undisturbed one would be.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.samplers.predictor.features import Features, Rows
from plugnas.nas.samplers.predictor.gaussian_process import Posterior
from plugnas.nas.samplers.predictor.hyperparameters import ANEW, Hyperparameters, Pairs
from plugnas.nas.samplers.predictor.observations import Observations
from plugnas.nas.samplers.predictor.trend import left_out_density, weights_of
from plugnas.nas.samplers.predictor.warp import SLACKS, Warp
from plugnas.nas.samplers.problem import Problem

Codes = NDArray[np.int16]
Doubles = NDArray[np.float64]

LEARN = 192
"""Measurements at most from which hyperparameters are fitted."""

ACTIVE = 600
"""Measurements from which predictions are made right after a fit; more join until the next."""

_EACH, _GROWTH, _LONGEST = 40, 0.05, 150  # a fit at every tell up to 40, then each 5 % more
_STEPS = 12
PENDING = 48


class Objective:
    """Hyperparameters, warp and process of one measured objective.

    With hints there are two sets of hyperparameters: those of the values, and those of what the
    hints leave over. The second counts where a hint has a weight, and where it predicts each
    measurement better from all the others.
    """

    def __init__(self, features: Features, *, hinted: bool) -> None:
        self._plain = Hyperparameters(features)
        self._hinted = Hyperparameters(features) if hinted else None
        self.hyperparameters = self._plain
        self.slack = SLACKS[0]
        self.posterior: Posterior | None = None
        self.levels: Doubles = np.zeros(0)  # of the measurements known at the last fit

    def levels_of(self, z: Doubles) -> Doubles:
        """Return the values (n,) as believed: of new measurements half of what they say."""
        return np.append(self.levels, 0.5 * z[len(self.levels) :])

    def fit(self, rows: Rows, pairs: Pairs, z: Doubles, steps: int) -> None:
        """Fit to standardised values, and decide whether the hints count.

        Args:
            rows: encoded measurements (n).
            pairs: the same, as the likelihood needs them.
            z: their values (n,).
            steps: of the fit.
        """
        self._plain.fit(pairs, z, steps)
        if self._hinted is None:
            return
        around = process(self._hinted, rows, pairs)
        weights = weights_of(around, rows.lines, z, around.features.widths)
        self._hinted.fit(pairs, z - rows.lines @ weights, steps)
        gain = left_out_density(process(self._hinted, rows, pairs), rows.lines, z)
        gain -= left_out_density(process(self._plain, rows, pairs), rows.lines[:, :0], z)
        self.hyperparameters = self._hinted if gain > 0 and weights.any() else self._plain

    def believed(self, rows: Rows, z: Doubles) -> Doubles:
        """Return the values (n,) of the posterior's rows with the noise taken out."""
        posterior = posterior_of(self)
        trend = rows.lines @ self.weights(posterior, rows, z)
        return posterior.smoothed(z - trend) + trend

    def weights(self, posterior: Posterior, rows: Rows, z: Doubles) -> Doubles:
        """Return the weight of each hint in the mean, 0 while they do not count."""
        if self.hyperparameters is self._plain:
            return np.zeros(rows.lines.shape[1])
        return weights_of(posterior, rows.lines, z, posterior.features.widths)


class Model:
    """Predicts measured objectives at the highest rung of which enough is known."""

    def __init__(self, problem: Problem, least: int, sample: Codes | None = None) -> None:
        self.problem, self._least = problem, least
        self.features = Features(problem, sample)
        self.observations = Observations(problem, self.features)
        self.objectives = self._new_objectives()
        self.active = np.zeros(0, dtype=np.int64)
        self.version = 0
        self._fits = 0
        self._next_fit = 0
        self.broken: str | None = None
        """Why nothing can be predicted now, if a fit failed."""

    def _new_objectives(self) -> list[Objective]:
        hinted = bool(self.problem.hints)
        return [Objective(self.features, hinted=hinted) for _ in self.problem.measured]

    @property
    def ready(self) -> bool:
        """Whether enough was told to predict."""
        return self.version > 0

    @property
    def rung(self) -> int:
        """The rung at which predictions are made."""
        return self.observations.target

    def tell(self, row: NDArray[np.int16], measurement: Measurement) -> None:
        """Learn a measurement of the architecture with codes ``row`` (P,)."""
        told = self.observations
        told.append(row, measurement)
        rung = measurement.rung if measurement.rung > told.target else told.target
        if told.usable(rung) < self._least:
            if not self.ready:
                return
            rung = told.target
        if rung != told.target or len(told) >= self._next_fit or self._full():
            told.target = rung
            self._fit()
        else:
            self._join(len(told) - 1)

    def learn(self, codes: NDArray[np.int16], measurements: Sequence[Measurement]) -> None:
        """Learn many measurements of architectures with these codes (n, P) at once."""
        told = self.observations
        for row, measurement in zip(codes, measurements, strict=True):
            told.append(row, measurement)
        rungs = sorted({m.rung for m in measurements}, reverse=True)
        told.target = next((r for r in rungs if told.usable(r) >= self._least), rungs[0])
        self._fit()

    def give_up(self, reason: str) -> None:
        """Predict nothing until the next measurement, at which all is fitted anew."""
        self.broken, self.version, self._next_fit = reason, 0, 0
        self.objectives = self._new_objectives()

    def _full(self) -> bool:
        return len(self.active) >= ACTIVE + _LONGEST

    def _join(self, i: int) -> None:
        """Take in measurement ``i`` without a fit."""
        told = self.observations
        self.active = np.append(self.active, i)
        levels = []
        for j, objective in enumerate(self.objectives):
            levels.append(told.standardised(j, told.warps(j, objective.slack))[[i]])
        self.push(told.rows(np.array([i])), levels, told.rungs[[i]] < told.target)

    def _fit(self) -> None:
        told = self.observations
        first = self.objectives[0]
        z = told.standardised(0, told.warps(0, first.slack))
        self.active = told.subset(ACTIVE, z)
        learn = told.subset(LEARN, z)
        steps = _STEPS if self.ready else ANEW
        for j, objective in enumerate(self.objectives):
            z = told.standardised(j, told.warps(j, objective.slack))
            levels = objective.levels_of(z)
            below = told.rungs < told.target
            pairs = Pairs(self.features, told.rows(learn), levels[learn], below[learn])
            objective.fit(told.rows(learn), pairs, z[learn], steps)
            objective.slack = self._likeliest_slack(j, learn, levels)
            room = ACTIVE + _LONGEST + PENDING
            objective.posterior = self._posterior(objective, self.active, levels, room)
            z = told.standardised(j, told.warps(j, objective.slack))[self.active]
            objective.levels = levels
            objective.levels[self.active] = objective.believed(told.rows(self.active), z)
        count = len(told)
        step = 1 if count < _EACH else min(int(count * _GROWTH), _LONGEST)
        self._next_fit = count + step
        self.broken = None
        self._fits += 1
        self.version = self._fits

    def _posterior(
        self, objective: Objective, rows: NDArray[np.int64], levels: Doubles, capacity: int
    ) -> Posterior:
        told, hyperparameters = self.observations, objective.hyperparameters
        noise = hyperparameters.noise_of(levels[rows], told.rungs[rows] < told.target)
        return Posterior(hyperparameters, told.rows(rows), noise, capacity)

    def _likeliest_slack(self, j: int, learn: NDArray[np.int64], levels: Doubles) -> float:
        told = self.observations
        objective, rows = self.objectives[j], told.rows(learn)
        posterior = self._posterior(objective, learn, levels, len(learn))
        scores = []
        for slack in SLACKS:
            warps = told.warps(j, slack)
            z = told.standardised(j, warps)[learn]
            white = posterior.whiten(z - rows.lines @ objective.weights(posterior, rows, z))
            scores.append(told.log_slope(j, warps, learn) - 0.5 * float(white @ white))
        return SLACKS[int(np.argmax(scores))]

    # --- for one question -----------------------------------------------------------------------

    def push(self, rows: Rows, levels: list[Doubles], below: NDArray[np.bool_]) -> None:
        """Add rows whose values are not known yet, or not part of the fit.

        ``levels`` are for every objective their values as believed (n,), by which the noise of
        their measurement is guessed; ``below`` (n,) says which are below the rung of prediction.
        """
        for objective, level in zip(self.objectives, levels, strict=True):
            posterior = posterior_of(objective)
            noise = objective.hyperparameters.noise_of(level, below)
            for i in range(len(rows)):
                posterior.append(posterior.embed(rows[slice(i, i + 1)]), float(noise[i]))

    def shrink(self) -> None:
        """Forget the rows of ``push`` that no measurement stands behind."""
        for objective in self.objectives:
            posterior_of(objective).shrink(len(self.active))

    def current(self, j: int) -> tuple[Warp, Doubles]:
        """Return the warp of objective j at the rung of prediction, and z of the active rows."""
        told = self.observations
        warps = told.warps(j, self.objectives[j].slack)
        return warps[told.target], told.standardised(j, warps)[self.active]

    def weights(self, j: int, z: Doubles) -> Doubles:
        """Return the weight of each hint in the mean of objective j; z is that of active rows."""
        objective = self.objectives[j]
        rows = self.observations.rows(self.active)
        return objective.weights(posterior_of(objective), rows, z)


def process(hyperparameters: Hyperparameters, rows: Rows, pairs: Pairs) -> Posterior:
    """Return the process of rows under some hyperparameters."""
    noise = hyperparameters.noise_of(pairs.levels, pairs.below)
    return Posterior(hyperparameters, rows, noise, len(rows))


def posterior_of(objective: Objective) -> Posterior:
    """Return the process of an objective that was fitted."""
    if objective.posterior is None:
        raise RuntimeError("the model was asked before it was ready")
    return objective.posterior
