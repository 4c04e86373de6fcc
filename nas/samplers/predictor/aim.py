"""What counts as better: hypervolume over log cost, or the best value within each named limit.

Both are a hypervolume of the measured objectives and columns made of the known ones. For ``front``
a column is the logarithm of a cost, from the cheapest to the limit, and the reference lies a tenth
of that range beyond the limit, so that the dear end is worth something, too. For ``limits`` it is
the number of limits kept: the hypervolume is then the sum of the best values within each limit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.samplers.problem import Problem

Doubles = NDArray[np.float64]

BEYOND = 0.1
"""How far beyond the limit the reference lies, in parts of the range."""


class Aim:
    """The known objectives as the acquisition counts them, more is better.

    ``costs`` (n, C) are those of a spread of architectures within the budget.
    """

    def __init__(self, problem: Problem, costs: Doubles) -> None:
        self.problem = problem
        self._spread = costs
        self._logged = {
            name: bool(len(costs))
            and problem.sign(name) < 0
            and bool(self._raw(name, costs).min() > 0)
            for name in problem.known
        }

    def columns(self, costs: Doubles) -> Doubles:
        """Return the columns (n, K) of cost rows (n, C)."""
        problem = self.problem
        if problem.levels:
            columns = [
                (self._raw(name, costs)[:, None] <= np.asarray(levels)).sum(axis=1).astype(float)
                for name, levels in problem.levels.items()
            ]
        else:
            columns = [self._column(name, self._raw(name, costs)) for name in problem.known]
        return np.stack(columns, axis=1) if columns else np.zeros((len(costs), 0))

    def reference(self, told: Doubles) -> Doubles:
        """Return the worst of each column that counts (K,), where costs (n, C) were told."""
        problem = self.problem
        if problem.levels:
            return np.zeros(len(problem.levels))
        costs = np.concatenate([told, self._spread])
        result = []
        for name in problem.known:
            values = self._column(name, self._raw(name, costs))
            worst = values.min()
            if problem.sign(name) < 0 and name in problem.budget:
                worst = self._column(name, np.array([problem.budget[name]]))[0]
            result.append(worst - BEYOND * (values.max() - worst or 1.0))
        return np.array(result)

    def _raw(self, name: str, costs: Doubles) -> Doubles:
        return costs[:, self.problem.cost_names.index(name)]

    def _column(self, name: str, values: Doubles) -> Doubles:
        if self._logged[name]:
            return -np.log(np.maximum(values, 1e-300))
        return self.problem.sign(name) * values
