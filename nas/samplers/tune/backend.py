"""Ray Tune's searchers behind our protocol.

They repeat themselves and know no budget. A proposal that is over the budget is told at once as
completed with a poor value, one that is known as failed (with its value once more, what is often
proposed would outweigh all else), and the searcher is asked again; after 20 such proposals an
unseen architecture within the budget is taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.samplers.problem import Problem, ProblemError
from plugnas.nas.samplers.searcher import Searcher
from plugnas.space import Architecture

_TRIES = 20

Choice = str | Mapping[str, Mapping[str, Any]]
"""A name, or ``{name: {option: value}}``."""


class TuneBackend(Searcher):
    """One of Ray Tune's searchers, with one of its schedulers where the search has rungs.

    A searcher that takes one metric is told the first objective that has to be measured; Optuna's
    is told all of them.

    Args:
        problem: what is searched.
        search_alg: ``optuna``, ``hyperopt``, ``bohb``, ``ax``, ..., or ``{name: {option: value}}``.
        scheduler: ``asha`` or ``median_stopping_rule``, or ``{name: {option: value}}``: decides who
            goes on to the next rung. None: the job's ``promotion`` does.

    Raises:
        ProblemError: no such searcher, scheduler or option, or its library is not installed.
    """

    def __init__(
        self, problem: Problem, search_alg: Choice = "optuna", scheduler: Choice | None = None
    ) -> None:
        try:
            from plugnas.nas.samplers.tune import ray_tune
        except ImportError:
            raise ProblemError(
                "sampler `tune` needs Ray Tune: pip install 'plugnas[ray]'"
            ) from None
        name, options = _named("search_alg", search_alg)
        super().__init__(problem)
        self._metrics = ray_tune.metrics_of(name, list(problem.objectives), problem.measured[0])
        self._searcher = ray_tune.make_searcher(
            name, options, problem.space, self._metrics, problem.seed
        )
        if scheduler is not None:
            self.scheduler = ray_tune.Scheduler(*_named("scheduler", scheduler))
        self._trials: dict[bytes, str] = {}  # asked for and not told: codes -> name with Ray Tune

    def ask(self, number: int) -> Architecture:
        """Return what the searcher proposes, or an unseen architecture after 20 useless proposals.

        Raises:
            SpaceExhausted: there is none left.
        """
        self._pool.any_left()
        self._asked.add(number)
        repeated: list[NDArray[np.int16]] = []
        for turn in range(_TRIES):
            trial = f"{number}-{turn}"
            config = self._searcher.suggest(trial)
            if not isinstance(config, dict):  # it waits, or has come to its end
                break
            row = self.problem.space.codes([self.problem.space.architecture(config)])[0]
            if any(value > 0 for value in self._told.violation(row).values()):
                self._complete(trial, self._told.poor(row))
            elif self._pool.seen(row):
                self._complete(trial, None)
                repeated.append(row)
            else:
                self._trials[row.tobytes()] = trial
                return self._pool.take(row)
        rng = self.problem.rng(number)
        near = self._pool.variants(repeated[-1][None], rng) if repeated else self._pool.draw(1, rng)
        return self._pool.take(near[0])

    def _finish(self, row: NDArray[np.int16], values: list[float]) -> None:
        self._told.keep(row, values)
        trial = self._trials.pop(row.tobytes(), None)
        if trial is not None:
            self._complete(trial, values)
        else:
            self._teach(row, values)

    def _complete(self, trial: str, values: Sequence[float] | None) -> None:
        """End a trial of the searcher: with values, or as failed where there are none."""
        if values is None:
            self._searcher.on_trial_complete(trial, error=True)
            return
        # what BOHB's searcher learns from
        more = {"training_iteration": 1, "hyperband_info": {"budget": 1}}
        result = {**self._signed(values), **more}
        self._searcher.on_trial_result(trial, result)
        self._searcher.on_trial_complete(trial, result)

    def _teach(self, row: NDArray[np.int16], values: list[float]) -> None:
        """Tell the searcher of an architecture that it did not propose, where it accepts that."""
        if len(self._metrics) > 1:
            return
        architecture = self.problem.space.architectures(row[None])[0]
        whole = {p.name: architecture.get(p.name, p.choices[0]) for p in self._parameters}
        try:
            self._searcher.add_evaluated_point(whole, self._signed(values)[self._metrics[0]])
        except NotImplementedError:
            return

    @property
    def _parameters(self) -> Sequence[Any]:
        return self.problem.space.parameters

    def _signed(self, values: Sequence[float]) -> dict[str, float]:
        """Return the metrics that the searcher is told, more is better."""
        told = dict(zip(self.problem.objectives, values, strict=True))
        return {name: self.problem.sign(name) * told[name] for name in self._metrics}

    def _drop(self, row: NDArray[np.int16]) -> None:
        trial = self._trials.pop(row.tobytes(), None)
        if trial is not None:
            self._complete(trial, None)


def _named(what: str, given: Any) -> tuple[str, Mapping[str, Any]]:
    """Return the name and the options that an option of the sampler says."""
    if isinstance(given, str):
        return given, {}
    if isinstance(given, Mapping) and len(given) == 1:
        name, options = next(iter(given.items()))
        if options is None or isinstance(options, Mapping):
            return str(name), options or {}
    raise ProblemError(f"{what} is a name, or {{name: {{option: value}}}}, but got {given!r}")


__all__ = ["TuneBackend"]
