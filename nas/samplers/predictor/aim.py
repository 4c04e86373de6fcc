"""What counts as better: the front's hypervolume, or the best value within each named limit.

Both are a hypervolume of the measured objectives and columns made of the known ones. For ``front``
a column is a known objective, the reference its worst. For ``limits`` it is the number of limits
kept: the hypervolume is then the sum of the best values within each limit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.samplers.problem import Problem

Doubles = NDArray[np.float64]


class Aim:
    """The known objectives as the acquisition counts them, more is better.

    ``costs`` (n, C) are those of a spread of architectures within the budget.
    """

    def __init__(self, problem: Problem, costs: Doubles) -> None:
        self.problem = problem
        self._spread = costs

    def columns(self, costs: Doubles) -> Doubles:
        """Return the columns (n, K) of cost rows (n, C)."""
        problem = self.problem
        if problem.levels:
            columns = [
                (self._raw(name, costs)[:, None] <= np.asarray(levels)).sum(axis=1).astype(float)
                for name, levels in problem.levels.items()
            ]
        else:
            columns = [problem.sign(name) * self._raw(name, costs) for name in problem.known]
        return np.stack(columns, axis=1) if columns else np.zeros((len(costs), 0))

    def reference(self, told: Doubles) -> Doubles:
        """Return the worst of each column that counts (K,), where costs (n, C) were told."""
        problem = self.problem
        if problem.levels:
            return np.zeros(len(problem.levels))
        costs = np.concatenate([told, self._spread])
        result = []
        for name in problem.known:
            values = problem.sign(name) * self._raw(name, costs)
            result.append(values.min() - 1e-3 * (np.ptp(values) or 1.0))
        return np.array(result)

    def _raw(self, name: str, costs: Doubles) -> Doubles:
        return costs[:, self.problem.cost_names.index(name)]
