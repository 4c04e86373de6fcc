"""Random search without repetition: the control that every sampler has to beat."""

from __future__ import annotations

from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.samplers.base import Sampler
from plugnas.nas.samplers.candidate_pool import CandidatePool
from plugnas.nas.samplers.problem import Problem
from plugnas.space import Architecture


class RandomSearch(Sampler):
    """Draws unseen architectures within budget, each active choice uniformly."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._pool = CandidatePool(problem)

    @property
    def refused(self) -> int:
        """Candidates left out so far because they are above the budget."""
        return self._pool.refused

    def ask(self, number: int) -> Architecture:
        """Return an unseen architecture within budget."""
        codes = self._pool.draw(1, self.problem.rng(number))
        return self._pool.take(codes[0])

    def tell(self, measurement: Measurement) -> None:
        """Note that this architecture was measured."""
        self.problem.measured_values(measurement)  # says so where an objective is missing
        self._pool.mark(self.problem.space.codes([measurement.architecture])[0])
