"""A Gaussian process per measured objective, kept up to date with every measurement told.

Everything here depends on the measurements in the order told and on nothing else, so that a
resumed search is where an undisturbed one would be.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.samplers.predictor.features import Features, Floats, Rows
from plugnas.nas.samplers.predictor.gaussian_process import Hyperparameters, Posterior
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
_STEPS, _FIRST_STEPS = 12, 40
PENDING = 48


class Objective:
    """Hyperparameters, warp and process of one measured objective.

    With hints there are two sets of hyperparameters: those of the values, and those of what the
    hints leave over. The set counts that predicts each measurement better from all the others.
    """

    def __init__(self, features: Features, *, hinted: bool) -> None:
        self._plain = Hyperparameters(features)
        self._hinted = Hyperparameters(features) if hinted else None
        self.hyperparameters = self._plain
        self.slack = SLACKS[0]
        self.posterior: Posterior | None = None

    def fit(self, rows: Rows, distances: Floats, z: Doubles, steps: int) -> None:
        """Fit to standardised values, and decide whether the hints count.

        Args:
            rows: encoded measurements (n).
            distances: of the rows (groups, n, n).
            z: their values (n,).
            steps: of the fit.
        """
        self._plain.fit(distances, z, steps)
        if self._hinted is None:
            return
        before = Posterior(self._hinted, rows, len(rows))
        weights = weights_of(before, rows.lines, z)
        self._hinted.fit(distances, z - rows.lines @ weights, steps)
        plain = Posterior(self._plain, rows, len(rows))
        hinted = Posterior(self._hinted, rows, len(rows))
        gain = left_out_density(hinted, rows.lines, z)
        gain -= left_out_density(plain, rows.lines[:, :0], z)
        self.hyperparameters = self._hinted if gain > 0 and weights.any() else self._plain

    def weights(self, posterior: Posterior, rows: Rows, z: Doubles) -> Doubles:
        """Return the weight of each hint in the mean, 0 while they do not count."""
        if self.hyperparameters is self._plain:
            return np.zeros(rows.lines.shape[1])
        return weights_of(posterior, rows.lines, z)


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
            self.active = np.append(self.active, len(told) - 1)
            self.push(told.rows(slice(len(told) - 1, len(told))))

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

    def _fit(self) -> None:
        told = self.observations
        first = self.objectives[0]
        z = told.standardised(0, told.warps(0, first.slack))
        self.active = told.subset(ACTIVE, z)
        learn = told.subset(LEARN, z)
        rows = told.rows(learn)
        distances = self.features.distances(rows)
        for j, objective in enumerate(self.objectives):
            z = told.standardised(j, told.warps(j, objective.slack))[learn]
            steps = _STEPS if self.ready else _FIRST_STEPS
            objective.fit(rows, distances, z, steps)
            objective.slack = self._likeliest_slack(j, learn)
            objective.posterior = Posterior(
                objective.hyperparameters, told.rows(self.active), ACTIVE + _LONGEST + PENDING
            )
        count = len(told)
        step = 1 if count < _EACH else min(int(count * _GROWTH), _LONGEST)
        self._next_fit = count + step
        self.broken = None
        self._fits += 1
        self.version = self._fits

    def _likeliest_slack(self, j: int, learn: NDArray[np.int64]) -> float:
        told = self.observations
        objective, rows = self.objectives[j], told.rows(learn)
        posterior = Posterior(objective.hyperparameters, rows, len(learn))
        scores = []
        for slack in SLACKS:
            warps = told.warps(j, slack)
            z = told.standardised(j, warps)[learn]
            white = posterior.whiten(z - rows.lines @ objective.weights(posterior, rows, z))
            scores.append(told.log_slope(j, warps, learn) - 0.5 * float(white @ white))
        return SLACKS[int(np.argmax(scores))]

    # --- for one question -----------------------------------------------------------------------

    def push(self, rows: Rows) -> None:
        """Add rows whose values are not known yet, or not part of the fit."""
        for objective in self.objectives:
            posterior = posterior_of(objective)
            for i in range(len(rows)):
                posterior.append(posterior.embed(rows[slice(i, i + 1)]))

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


def posterior_of(objective: Objective) -> Posterior:
    """Return the process of an objective that was fitted."""
    if objective.posterior is None:
        raise RuntimeError("the model was asked before it was ready")
    return objective.posterior
