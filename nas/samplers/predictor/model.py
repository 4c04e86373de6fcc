"""A Gaussian process per measured objective, kept up to date with every measurement told.

Everything here depends on the measurements in the order told and on nothing else, so that a
resumed search is where an undisturbed one would be.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.samplers.predictor.features import Features, Rows
from plugnas.nas.samplers.predictor.gaussian_process import Hyperparameters, Posterior
from plugnas.nas.samplers.predictor.observations import Observations
from plugnas.nas.samplers.predictor.warp import SLACKS, Warp
from plugnas.nas.samplers.problem import Problem

Doubles = NDArray[np.float64]

LEARN = 192
"""Measurements at most from which hyperparameters are fitted."""

ACTIVE = 600
"""Measurements from which predictions are made right after a fit; more join until the next."""

_EACH, _GROWTH, _LONGEST = 40, 0.05, 150  # a fit at every tell up to 40, then each 5 % more
_STEPS, _FIRST_STEPS = 12, 40
PENDING = 48


class Objective:
    """Hyperparameters, warp and process of one measured objective."""

    def __init__(self, features: Features) -> None:
        self.hyperparameters = Hyperparameters(features)
        self.slack = SLACKS[0]
        self.posterior: Posterior | None = None


class Model:
    """Predicts measured objectives at the highest rung of which enough is known."""

    def __init__(self, problem: Problem, least: int) -> None:
        self.problem, self._least = problem, least
        self.features = Features(problem)
        self.observations = Observations(problem, self.features)
        self.objectives = [Objective(self.features) for _ in problem.measured]
        self.active = np.zeros(0, dtype=np.int64)
        self.version = 0
        self._fits = 0
        self._next_fit = 0
        self.broken: str | None = None
        """Why nothing can be predicted now, if a fit failed."""

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

    def give_up(self, reason: str) -> None:
        """Predict nothing until the next measurement, at which all is fitted anew."""
        self.broken, self.version, self._next_fit = reason, 0, 0
        self.objectives = [Objective(self.features) for _ in self.problem.measured]

    def _full(self) -> bool:
        return len(self.active) >= ACTIVE + _LONGEST

    def _fit(self) -> None:
        told = self.observations
        first = self.objectives[0]
        z = told.standardised(0, told.warps(0, first.slack))
        self.active = told.subset(ACTIVE, z)
        learn = told.subset(LEARN, z)
        distances = self.features.distances(told.rows(learn))
        for j, objective in enumerate(self.objectives):
            z = told.standardised(j, told.warps(j, objective.slack))[learn]
            steps = _STEPS if self.ready else _FIRST_STEPS
            objective.hyperparameters.fit(distances, z, steps)
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
        posterior = Posterior(self.objectives[j].hyperparameters, told.rows(learn), len(learn))
        scores = []
        for slack in SLACKS:
            warps = told.warps(j, slack)
            white = posterior.whiten(told.standardised(j, warps)[learn])
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


def posterior_of(objective: Objective) -> Posterior:
    """Return the process of an objective that was fitted."""
    if objective.posterior is None:
        raise RuntimeError("the model was asked before it was ready")
    return objective.posterior
