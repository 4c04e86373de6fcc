"""Steady-state Pareto evolution: unseen, family-local mutants of the front and its gaps.

Tournaments by non-dominated rank and crowding as in NSGA-II (Deb et al., 2002), one child at a
time; no population is waited for and no architecture is measured twice.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nas.pareto import crowding, ranks
from nas.records import Measurement
from nas.samplers.problem import Problem, ProblemError
from nas.samplers.supply import Supply
from space import Architecture

Doubles = NDArray[np.float64]


class Evolution:
    """Pareto evolution over the best measured architectures.

    Args:
        population: parents kept; the first ``population // 2`` proposals are random.
        crossover: probability that a child has two parents.
        local: probability that a mutation stays within a module's family.

    Raises:
        ProblemError: an option outside its range.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        population: int = 24,
        crossover: float = 0.3,
        local: float = 0.5,
    ) -> None:
        if population < 2:
            raise ProblemError(f"evolution needs a population of at least 2, not {population}")
        for name, value in (("crossover", crossover), ("local", local)):
            if not 0 <= value <= 1:
                raise ProblemError(f"`{name}` is a probability between 0 and 1, not {value}")
        self.problem, self.population = problem, population
        self._crossover, self._local = crossover, local
        self._supply = Supply(problem)
        self._codes: dict[bytes, NDArray[np.int16]] = {}
        self._best: dict[bytes, tuple[int, list[Doubles]]] = {}

    def tell(self, measurement: Measurement) -> None:
        """Take in a value; those of the highest rung of an architecture count, averaged."""
        row = self.problem.space.codes([measurement.architecture])[0]
        self._supply.mark(row)
        values = self.problem.bought_values(measurement)
        if values is None:
            return
        key = row.tobytes()
        rung, told = self._best.get(key, (-1, []))
        if measurement.rung > rung:
            self._best[key] = (measurement.rung, [values])
            self._codes[key] = row
        elif measurement.rung == rung:
            told.append(values)

    def ask(self, number: int) -> Architecture:
        """Return an unseen child of the front."""
        self._supply.any_left()
        rng = self.problem.rng(number)
        if len(self._supply) < self.population // 2 or len(self._best) < 2:
            return self._supply.take(self._supply.draw(1, rng)[0])
        parents, distance = self._parents()
        space = self.problem.space
        first, second = (self._tournament(distance, 16, rng) for _ in range(2))
        children = parents[first]
        mixed = rng.random(len(children)) < self._crossover
        if mixed.any():
            children = children.copy()
            children[mixed] = space.crossover_codes(children[mixed], parents[second[mixed]], rng)
        children = space.mutate_codes(children, rng, self._local)
        found, _ = self._supply.fresh(children)
        if len(found) == 0:
            found = self._supply.variants(parents[first], rng)
        return self._supply.take(found[0])

    def _parents(self) -> tuple[NDArray[np.int16], Doubles]:
        """Return the population's codes and crowding, best rank first.

        Only the highest rung that has as many members as a tournament counts; rungs never mix.
        """
        rungs = np.array([rung for rung, _ in self._best.values()])
        top = max((r for r in set(rungs.tolist()) if (rungs == r).sum() >= 4), default=rungs.max())
        keys = [key for key, (rung, _) in self._best.items() if rung == top]
        codes = np.array([self._codes[key] for key in keys])
        values = np.array([np.mean(self._best[key][1], axis=0) for key in keys])
        costs = self.problem.costs(codes)
        names = self.problem.cost_names
        known = [self.problem.sign(n) * costs[:, names.index(n)] for n in self.problem.known]
        points = np.column_stack([values, *known])
        directions = ["max"] * points.shape[1]
        rank = ranks(points, directions)
        distance = crowding(points, directions)
        order = np.lexsort((-distance, rank))[: self.population]
        return codes[order], np.where(rank[order] == 0, distance[order], -1.0 - rank[order])

    @staticmethod
    def _tournament(distance: Doubles, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return the winners of ``count`` tournaments of two by rank, then crowding."""
        pairs = rng.integers(len(distance), size=(count, 2))
        return np.where(distance[pairs[:, 0]] >= distance[pairs[:, 1]], pairs[:, 0], pairs[:, 1])
