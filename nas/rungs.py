"""Asynchronous multi-objective successive halving: which architecture deserves the next rung.

Li et al. (2020), "A system for massively parallel hyperparameter tuning", with the order replaced
by non-dominated rank and then crowding. Costs are known beforehand, so only what a rung says of
accuracy is early knowledge. Within a rung architectures are compared by the signal where every
measurement carries one (for short trainings minus the sum of training losses), else by the value;
values of different rungs never meet.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from modules import PlugnasError
from nas.pareto import crowding, ranks
from nas.records import Measurement, Task
from nas.samplers.problem import Problem
from space import Architecture


class RungError(PlugnasError):
    """A ladder of rungs that cannot be climbed."""


class Rungs:
    """Promotes the best ``1 / eta`` of every rung to the next, as soon as they are known.

    Args:
        problem: says which objectives are known and which direction is better.
        count: number of rungs; the last is the full training.
        eta: of how many architectures at a rung one is promoted.
        least: architectures a rung needs before it promotes any; by default ``eta``.

    Raises:
        RungError: no rung, or an eta that keeps everything.
    """

    def __init__(
        self, problem: Problem, count: int, eta: float = 3, *, least: int | None = None
    ) -> None:
        if count < 1:
            raise RungError(f"a ladder has at least one rung, not {count}")
        if not eta > 1:
            raise RungError(f"eta must be above 1 (one of eta is promoted), not {eta}")
        self.problem, self.count, self.eta = problem, count, eta
        self.least = int(np.ceil(eta)) if least is None else least

    def next(
        self, measurements: Sequence[Measurement], running: Iterable[Task] = ()
    ) -> tuple[Architecture, int] | None:
        """Return the promotion that is due, highest rung first, or None.

        Whoever failed at a rung stays there and counts as its last.
        """
        at: list[dict[str, list[Measurement]]] = [{} for _ in range(self.count)]
        for measurement in measurements:
            if 0 <= measurement.rung < self.count:
                group = at[measurement.rung].setdefault(measurement.architecture.id, [])
                group.append(measurement)
        begun = [set(group) for group in at]
        for task in running:
            if 0 <= task.rung < self.count:
                begun[task.rung].add(task.architecture.id)
        for rung in range(self.count - 2, -1, -1):
            chosen = self._promotable(at[rung], begun[rung + 1])
            if chosen is not None:
                return chosen, rung + 1
        return None

    def _promotable(
        self, group: dict[str, list[Measurement]], promoted: set[str]
    ) -> Architecture | None:
        """Return the best of a rung that is among its first 1/eta and was not promoted yet."""
        places = int(len(group) / self.eta)
        if len(group) < self.least:
            return None
        for name in self.order(group)[:places]:
            if name not in promoted:
                return group[name][0].architecture
        return None

    def order(self, group: dict[str, list[Measurement]]) -> list[str]:
        """Return the ids that succeeded at one rung, the most deserving first."""
        good = {k: [m for m in ms if m.ok] for k, ms in group.items()}
        signalled = all(_finite(m.signal) for ms in good.values() for m in ms)
        names = [k for k, ms in good.items() if ms and self._scored(ms, signalled=signalled)]
        if not names:
            return []
        points = np.array([self._point(good[k], signalled=signalled) for k in names])
        directions = ["max"] * points.shape[1]
        rank = ranks(points, directions)
        spread = np.zeros(len(names))
        for level in np.unique(rank):
            inside = rank == level
            spread[inside] = crowding(points[inside], directions)
        order = np.lexsort((np.arange(len(names)), -points[:, 0], -spread, rank))
        return [names[i] for i in order]

    def _scored(self, measurements: list[Measurement], *, signalled: bool) -> bool:
        values = [self.problem.bought_values(m) for m in measurements]
        return signalled or all(v is not None for v in values)

    def _point(self, measurements: list[Measurement], *, signalled: bool) -> NDArray[np.float64]:
        """Return the objectives of one architecture at one rung, more is better, mean of seeds."""
        rows = []
        for m in measurements:
            bought = self.problem.bought_values(m)
            row = np.zeros(len(self.problem.bought)) if bought is None else bought.copy()
            if signalled:
                row[0] = m.signal
            rows.append(row)
        space = self.problem.space
        costs = self.problem.costs(space.codes([measurements[0].architecture]))[0]
        names = self.problem.cost_names
        known = [self.problem.sign(n) * costs[names.index(n)] for n in self.problem.known]
        return np.array([*np.mean(rows, axis=0), *known])


def _finite(value: float | None) -> bool:
    return value is not None and bool(np.isfinite(value))


__all__ = ["RungError", "Rungs"]
