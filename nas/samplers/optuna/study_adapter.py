"""A predictor that follows the trials of someone else's study (Optuna's, without importing it)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from plugnas.nas.cost import FunctionCost
from plugnas.nas.ledger.measurement import Measurement, Task
from plugnas.nas.samplers.predictor.predictor import Predictor
from plugnas.nas.samplers.problem import Problem
from plugnas.space import Architecture, SearchSpace, SpaceError

Cost = Callable[[Mapping[str, Any]], float]


class StudyAdapter:
    """Proposes values for named choices of any type.

    Args:
        choices: name -> values, for a space without conditions.
        space: the space instead, where parameters depend on others; None otherwise.
        costs: known objectives and limited costs: name -> function of the parameters.
        problem: the other fields of a ``Problem``.
    """

    def __init__(
        self,
        choices: Mapping[str, Sequence[Any]],
        space: SearchSpace | None,
        costs: Mapping[str, Cost],
        **problem: Any,
    ) -> None:
        self.choices = {name: tuple(values) for name, values in choices.items()}
        self._plain = space is None
        # Values may be of any type: in a plain space their places stand for them.
        places = {name: [str(i) for i in range(len(c))] for name, c in self.choices.items()}
        self.space = SearchSpace(places) if space is None else space
        self._costs = costs
        known = FunctionCost(self._cost, list(costs), self.space) if costs else None
        self._problem = Problem(self.space, cost=known, **problem)
        self._predictor = Predictor(self._problem)
        self._told: set[int] = set()
        self._running: dict[int, Architecture] = {}

    def ask(self, number: int) -> dict[str, Any]:
        """Return the parameters of a new trial.

        Raises:
            SpaceExhausted: everything within budget was proposed.
        """
        architecture = self._predictor.ask(number)
        self._running[number] = architecture
        return self._outside(architecture)

    def follow(self, trials: Iterable[Any], current: int) -> None:
        """Learn what finished since the last call, and what others have begun."""
        for trial in trials:
            if trial.number in self._told or trial.number == current:
                continue
            architecture = self._running.get(trial.number) or self._inside(trial.params)
            if architecture is None:
                continue
            if trial.state.is_finished():
                self._told.add(trial.number)
                self._running.pop(trial.number, None)
                self._predictor.tell(self._measurement(trial, architecture))
            elif trial.number not in self._running:
                self._running[trial.number] = architecture
                self._predictor.expect(Task(trial.number, architecture))

    def _measurement(self, trial: Any, architecture: Architecture) -> Measurement:
        within = all(violation <= 0 for violation in trial.constraints.values())
        if trial.state.name != "COMPLETE" or not within:
            return Measurement(trial.number, architecture, 0, 0, "failed")
        values = dict(zip(self._problem.objectives, trial.values, strict=True))
        return Measurement(trial.number, architecture, 0, 0, "ok", values)

    def _cost(self, architecture: Architecture) -> dict[str, float]:
        values = self._outside(architecture)
        return {name: function(values) for name, function in self._costs.items()}

    def _outside(self, architecture: Architecture) -> dict[str, Any]:
        if not self._plain:
            return architecture.values
        return {name: self.choices[name][int(i)] for name, i in architecture.values.items()}

    def _inside(self, params: Mapping[str, Any]) -> Architecture | None:
        """Return the architecture of a trial's parameters; None if it is not of this space."""
        try:
            if not self._plain:
                names = {p.name for p in self.space.parameters}
                return self.space.architecture({n: v for n, v in params.items() if n in names})
            return self.space.architecture(
                {name: str(values.index(params[name])) for name, values in self.choices.items()}
            )
        except (KeyError, ValueError, SpaceError):
            return None
