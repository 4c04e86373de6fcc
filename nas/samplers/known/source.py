"""An earlier run as a hint: what a model of its measurements expects of an architecture."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.samplers.known.earlier import Earlier
from plugnas.nas.samplers.predictor.model import Model, posterior_of
from plugnas.nas.samplers.problem import Problem

Codes = NDArray[np.int16]
Doubles = NDArray[np.float64]

_CHUNK = 2048
_KEPT = 100_000


class Source:
    """A Gaussian process fitted to an earlier run alone; its mean is the hint.

    The spread over the earlier run's own values is 1; where that run knows nothing, the hint is 0.

    Args:
        told: what the earlier run measured.
        problem: what is searched; its costs are those of this space.
    """

    def __init__(self, told: Earlier, problem: Problem) -> None:
        self.name, self.width = told.name, len(problem.measured)
        self._told, self._problem = told, replace(problem, hints=())
        self._known: dict[bytes, Doubles] = {}

    @cached_property
    def _model(self) -> Model:
        measurements = self._told.measurements
        model = Model(self._problem, least=2)
        codes = self._problem.space.codes([m.architecture for m in measurements])
        model.learn(codes, measurements)
        return model

    def values(self, codes: Codes, costs: Doubles) -> Doubles:
        """Return the expectation of each measured objective of code rows (n, objectives)."""
        keys = [row.tobytes() for row in np.ascontiguousarray(codes)]
        new = [i for i, key in enumerate(keys) if key not in self._known]
        if len(self._known) + len(new) > _KEPT:
            self._known.clear()
            new = list(range(len(keys)))
        for start in range(0, len(new), _CHUNK):
            some = new[start : start + _CHUNK]
            for i, value in zip(some, self._expected(codes[some], costs[some]), strict=True):
                self._known[keys[i]] = value
        result = np.array([self._known[key] for key in keys])
        return result.reshape(len(keys), self.width)

    def _expected(self, codes: Codes, costs: Doubles) -> Doubles:
        model = self._model
        rows = model.features.encode(codes, costs, np.full(len(codes), model.rung))
        columns = []
        for j, objective in enumerate(model.objectives):
            posterior = posterior_of(objective)
            _, z = model.current(j)
            columns.append(posterior.mean(posterior.covariance(posterior.embed(rows)), z))
        return np.stack(columns, axis=1)


def informed(problem: Problem, runs: tuple[Earlier, ...]) -> Problem:
    """Return the problem with a hint of each earlier run."""
    return replace(problem, hints=(*problem.hints, *(Source(run, problem) for run in runs)))


__all__ = ["Source", "informed"]
