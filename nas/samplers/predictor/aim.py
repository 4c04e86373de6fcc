"""What counts as better: the front's hypervolume, or the best value within each named limit.

Both are a hypervolume of the measured objectives and columns made of the known ones. For ``front``
a column is the logarithm of a cost, so that halving it is worth the same everywhere, and the
reference lies a tenth of the range beyond the dearest within the limit, so that the top of the
range is worth something. For ``limits`` it is the number of limits kept: the hypervolume is then
the sum of the best values within each limit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.samplers.problem import Problem

Doubles = NDArray[np.float64]

BEYOND = 0.1
"""How far beyond the worst that counts the reference lies, in ranges."""


class Aim:
    """The known objectives as the acquisition counts them, more is better.

    ``costs`` (n, C) are those of a spread of architectures within the budget.
    """

    def __init__(self, problem: Problem, costs: Doubles) -> None:
        self.problem = problem
        self._ends: dict[str, Doubles] = {}
        self._logged: set[str] = set()
        for name in problem.known:
            values = self._raw(name, costs)
            self._ends[name] = np.array([values.min(), values.max()])
            if problem.sign(name) < 0 and values.min() > 0:
                self._logged.add(name)

    def columns(self, costs: Doubles) -> Doubles:
        """Return the columns (n, K) of cost rows (n, C)."""
        problem = self.problem
        if problem.levels:
            columns = [
                (self._raw(name, costs)[:, None] <= np.asarray(levels)).sum(axis=1).astype(float)
                for name, levels in problem.levels.items()
            ]
        else:
            columns = [self._worth(name, self._raw(name, costs)) for name in problem.known]
        return np.stack(columns, axis=1) if columns else np.zeros((len(costs), 0))

    def reference(self, told: Doubles) -> Doubles:
        """Return the worst of each column that counts (K,), where costs (n, C) were told."""
        problem = self.problem
        if problem.levels:
            return np.zeros(len(problem.levels))
        result = []
        for name in problem.known:
            values = self._worth(name, np.append(self._raw(name, told), self._ends[name]))
            result.append(values.min() - BEYOND * (np.ptp(values) or 1.0))
        return np.array(result)

    def _worth(self, name: str, values: Doubles) -> Doubles:
        """Return a known objective on the scale on which it counts, more is better."""
        sign = self.problem.sign(name)
        return sign * (np.log(np.maximum(values, 1e-300)) if name in self._logged else values)

    def _raw(self, name: str, costs: Doubles) -> Doubles:
        return costs[:, self.problem.cost_names.index(name)]
