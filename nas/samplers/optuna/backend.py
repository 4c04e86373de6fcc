"""Optuna's samplers behind our protocol, and our predictor behind Optuna's.

Its samplers repeat themselves and do not know budgets, so a
suggestion outside the budget is told as completed with a poor value and its violation (what TPE and
the NSGAs learn from), and one that was seen before is replaced by an unseen neighbour.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.trial import FrozenTrial, Trial, TrialState

from plugnas.nas.samplers.ability import check_ability
from plugnas.nas.samplers.optuna.kinds import KINDS, Grid
from plugnas.nas.samplers.optuna.study_adapter import StudyAdapter
from plugnas.nas.samplers.problem import Problem, ProblemError, SpaceExhausted
from plugnas.nas.samplers.searcher import Searcher
from plugnas.space import Architecture, SearchSpace

_TRIES = 20  # suggestions that may fall outside the budget at one ask
_INTS = 64  # values up to which an int parameter counts as a list of choices
_DIRECTION = {"max": "maximize", "min": "minimize"}


class OptunaBackend(Searcher):
    """One of Optuna's samplers; options go to its constructor.

    Raises:
        ProblemError: the sampler cannot do what the problem asks, or an option's value is refused.
    """

    def __init__(self, name: str, problem: Problem, **options: Any) -> None:
        check_ability(name, problem)
        super().__init__(problem)
        self.name = name
        self._options = options
        self._trials: dict[bytes, Trial] = {}  # asked for and not told
        self._study = _quiet_study([_DIRECTION[d] for d in problem.objectives.values()])
        self._study.sampler = self._make(0)

    def _make(self, seed: int) -> BaseSampler:
        options = {"seed": seed, **self._options}
        if self.name == "grid":
            grid = {p.name: list(p.choices) for p in self.problem.space.parameters}
            return Grid(grid, seed=self.problem.seed, **self._options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            try:
                return KINDS[self.name](**options)
            except ValueError as error:
                raise ProblemError(f"sampler `{self.name}`: {error}") from error

    def ask(self, number: int) -> Architecture:
        """Return what Optuna suggests, or an unseen neighbour of it."""
        self._pool.any_left()
        rng = self.problem.rng(number)
        self._asked.add(number)
        if self.name != "grid":  # the grid's order is its own
            self._study.sampler = self._make(int(rng.integers(2**31)))
        repeated: NDArray[np.int16] | None = None
        for _ in range(_TRIES):
            trial = self._study.ask()
            row = self.problem.space.codes([self.problem.space.suggest(trial)])[0]
            violation = self._told.violation(row)
            for key, value in violation.items():
                trial.set_constraint(key, value)
            if any(value > 0 for value in violation.values()):
                self._study.tell(trial, self._told.poor(row))
            elif self._pool.seen(row):
                self._tell_again(trial, row)
                repeated = row[None]
                break
            else:
                self._trials[row.tobytes()] = trial
                return self._pool.take(row)
        near = self._pool.draw(1, rng) if repeated is None else self._pool.variants(repeated, rng)
        row = near[0]
        self._enter(row)
        return self._pool.take(row)

    def _enter(self, row: NDArray[np.int16]) -> None:
        """Open a trial for an architecture that Optuna did not suggest."""
        architecture = self.problem.space.architectures(row[None])[0]
        self._study.enqueue_trial(architecture.values)
        trial = self._study.ask()
        self.problem.space.suggest(trial)
        for key, value in self._told.violation(row).items():
            trial.set_constraint(key, value)
        self._trials[row.tobytes()] = trial

    def _tell_again(self, trial: Trial, row: NDArray[np.int16]) -> None:
        values = self._told.get(row)
        self._study.tell(trial, values, TrialState.FAIL if values is None else None)

    def _repeat(self, number: int, row: NDArray[np.int16]) -> None:
        super()._repeat(number, row)
        if row.tobytes() not in self._trials:
            self._enter(row)

    def _finish(self, row: NDArray[np.int16], values: list[float]) -> None:
        if row.tobytes() not in self._trials:
            self._enter(row)
        self._study.tell(self._trials.pop(row.tobytes()), self._told.keep(row, values))

    def _drop(self, row: NDArray[np.int16]) -> None:
        self._study.tell(self._trials.pop(row.tobytes()), state=TrialState.FAIL)


def _quiet_study(directions: Sequence[Any]) -> optuna.Study:
    """Return a study in memory without Optuna's announcement of it."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.create_study(directions=directions)
    finally:
        optuna.logging.set_verbosity(level)


class PredictorSampler(BaseSampler):
    """The predictor as a sampler of anyone's Optuna study over categorical parameters.

    Args:
        costs: objectives that are known beforehand: name -> function of a trial's parameters.
        objectives: names of the study's objectives, in its order; needed with ``costs``.
        budget: upper limits on ``costs``.
        space: the space, where parameters depend on others; else it is read from earlier trials,
            so that the first trial is random.
        seed: of the random choices.
    """

    def __init__(
        self,
        *,
        costs: Mapping[str, Callable[[Mapping[str, Any]], float]] | None = None,
        objectives: Sequence[str] | None = None,
        budget: Mapping[str, float] | None = None,
        space: SearchSpace | None = None,
        seed: int = 0,
    ) -> None:
        if costs and not objectives:
            raise ProblemError("known costs need `objectives`, the names of the study's objectives")
        self._costs, self._budget = dict(costs or {}), dict(budget or {})
        self._objectives, self._given, self._seed = objectives, space, seed
        self._seen = IntersectionSearchSpace()
        self._random = optuna.samplers.RandomSampler(seed=seed)
        self._adapter: StudyAdapter | None = None

    def reseed_rng(self) -> None:
        """Reseed what is random: parallel workers must differ."""
        self._random.reseed_rng()

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the categorical parameters, and the ints with few values."""
        if self._given is not None:
            return {p.name: CategoricalDistribution(p.choices) for p in self._given.parameters}
        return {
            name: distribution
            for name, distribution in self._seen.calculate(study).items()
            if not distribution.single() and _choices(distribution) is not None
        }

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the values that promise most; none where the space is exhausted."""
        if not search_space:
            return {}
        choices = {name: _choices(d) or () for name, d in search_space.items()}
        if self._adapter is None or self._adapter.choices != choices:
            self._adapter = self._new_adapter(study, choices)
        self._adapter.follow(study.get_trials(deepcopy=False), trial.number)
        try:
            return self._adapter.ask(trial.number)
        except SpaceExhausted as reason:
            warnings.warn(f"{reason}; further trials repeat some at random", stacklevel=2)
            return {}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: Any
    ) -> Any:
        """Return a random value of a parameter that the predictor does not model."""
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def _new_adapter(
        self, study: optuna.Study, choices: dict[str, tuple[Any, ...]]
    ) -> StudyAdapter:
        names = list(self._objectives or map(str, range(len(study.directions))))
        if len(names) != len(study.directions):
            raise ProblemError(
                f"the study has {len(study.directions)} objectives, but `objectives` names "
                f"{len(names)}: {', '.join(names)}"
            )
        directions = ("min" if d.name == "MINIMIZE" else "max" for d in study.directions)
        return StudyAdapter(
            choices,
            self._given,
            self._costs,
            objectives=dict(zip(names, directions, strict=True)),
            budget=self._budget,
            seed=self._seed,
        )


def _choices(distribution: BaseDistribution) -> tuple[Any, ...] | None:
    """Return the values of a distribution that is a list of values, else None."""
    if isinstance(distribution, CategoricalDistribution):
        return tuple(distribution.choices)
    if isinstance(distribution, IntDistribution) and not distribution.log:
        values = tuple(range(distribution.low, distribution.high + 1, distribution.step))
        return values if len(values) <= _INTS else None
    return None
