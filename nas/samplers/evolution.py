"""Steady-state Pareto evolution: unseen, family-local mutants of the front and its gaps.

Survival by non-dominated rank and crowding as in NSGA-II (Deb et al., 2002), one child at a time;
no generation is waited for and no architecture is measured twice. Costs are known before a child
is measured, so of a litter the one is chosen that would stand in the widest gap of the front.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.front.pareto import crowding, non_dominated
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.samplers.base import Sampler
from plugnas.nas.samplers.candidate_pool import CandidatePool
from plugnas.nas.samplers.problem import Problem, ProblemError
from plugnas.space import Architecture

Codes = NDArray[np.int16]
Doubles = NDArray[np.float64]

_AIMED = 0.5
_LITTER = 16  # children of which the one in the widest gap is chosen


class Evolution(Sampler):
    """Pareto evolution over the best measured architectures.

    Args:
        problem: space, objectives, budget and costs.
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
        population: int = 16,
        crossover: float = 0.1,
        local: float = 0.5,
    ) -> None:
        if population < 2:
            raise ProblemError(f"evolution needs a population of at least 2, not {population}")
        for name, value in (("crossover", crossover), ("local", local)):
            if not 0 <= value <= 1:
                raise ProblemError(f"`{name}` is a probability between 0 and 1, not {value}")
        self.problem, self.population = problem, population
        self._crossover, self._local = crossover, local
        self._pool = CandidatePool(problem)
        self._codes: dict[bytes, NDArray[np.int16]] = {}
        self._best: dict[bytes, tuple[int, list[Doubles]]] = {}

    def tell(self, measurement: Measurement) -> None:
        """Take in a value; those of the highest rung of an architecture count, averaged."""
        row = self.problem.space.codes([measurement.architecture])[0]
        self._pool.mark(row)
        values = self.problem.measured_values(measurement)
        if values is None:
            return
        key = row.tobytes()
        rung, told = self._best.get(key, (-1, []))
        if measurement.rung > rung:
            self._best[key] = (measurement.rung, [values])
            self._codes[key] = row
        elif measurement.rung == rung:
            told.append(values)

    def expect_row(self, row: NDArray[np.int16]) -> None:
        """Note that the architecture with these codes (P,) is being measured elsewhere."""
        self._pool.mark(row)

    @property
    def refused(self) -> int:
        """Candidates left out so far because they are above the budget."""
        return self._pool.refused

    def ask(self, number: int) -> Architecture:
        """Return an unseen child of the front, at costs where the front has a gap."""
        self._pool.any_left()
        rng = self.problem.rng(number)
        if len(self._pool) < self.population // 2 or len(self._best) < 2:
            found = self._pool.draw(_LITTER, rng)
            return self._pool.take(self._rarest(found, self._pool.recent(self.population)))
        parents, front = self._parents()
        space = self.problem.space
        first = parents[rng.integers(len(parents), size=_LITTER)]
        second = parents[rng.integers(len(parents), size=_LITTER)]
        mixed = rng.random(_LITTER) < self._crossover
        children = np.where(mixed[:, None], space.crossover_codes(first, second, rng), first)
        found, _ = self._pool.fresh(space.mutate_codes(children, rng, self._local))
        if len(found) == 0:
            found = self._pool.variants(first, rng)
        aimed = rng.random() < _AIMED
        if self.problem.preference is not None:
            order = self._pool.ordered(found, rng)
            found = found[order[: (len(found) + 1) // 2]]
        return self._pool.take(self._rarest(found, front) if aimed else found[0])

    def _rarest(self, codes: Codes, others: Codes) -> NDArray[np.int16]:
        """Return the row whose known objectives are farthest from those of others, in ranges."""
        known = self._known(np.concatenate([codes, others]))
        if not known.shape[1] or not len(others):
            return codes[0]
        known = known / np.maximum(np.ptp(known, axis=0), 1e-12)
        apart = np.abs(known[: len(codes), None] - known[None, len(codes) :]).sum(axis=2)
        return codes[int(apart.min(axis=1).argmax())]

    def _known(self, codes: Codes) -> Doubles:
        """Return the known objectives of rows, (n, known), more is better."""
        costs, names = self.problem.costs(codes), self.problem.cost_names
        columns = [self.problem.sign(n) * costs[:, names.index(n)] for n in self.problem.known]
        return np.stack(columns, axis=1) if columns else np.zeros((len(codes), 0))

    def _parents(self) -> tuple[Codes, Codes]:
        """Return the population's codes, best rank first, and those of the front alone.

        Only the highest rung with a few members counts; rungs never mix.
        """
        rungs = np.array([rung for rung, _ in self._best.values()])
        top = max((r for r in set(rungs.tolist()) if (rungs == r).sum() >= 4), default=rungs.max())
        keys = [key for key, (rung, _) in self._best.items() if rung == top]
        codes = np.array([self._codes[key] for key in keys])
        values = np.array([np.mean(self._best[key][1], axis=0) for key in keys])
        points = np.column_stack([values, self._known(codes)])
        directions = ["max"] * points.shape[1]
        rank = np.full(len(points), len(points))
        level = 0
        while (rank == len(points)).any() and (rank < level).sum() < self.population:
            left = np.flatnonzero(rank == len(points))
            rank[left[non_dominated(points[left], directions)]] = level
            level += 1
        chosen = np.flatnonzero(rank < level)
        order = chosen[np.lexsort((-crowding(points[chosen], directions), rank[chosen]))]
        order = order[: self.population]
        return codes[order], codes[rank == 0]
