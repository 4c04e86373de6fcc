"""What the searchers of other libraries, Optuna's and Ray Tune's, have in common as samplers."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.samplers.base import Sampler
from plugnas.nas.samplers.candidate_pool import CandidatePool
from plugnas.nas.samplers.problem import Problem, SpaceExhausted
from plugnas.nas.samplers.told import Told


class Searcher(Sampler):
    """Tells another library's searcher the first result of each architecture.

    An architecture is told once, with what it returned at its first rung: every architecture has
    a value there, and no two rungs are ever compared. On resume the asks of earlier sessions are
    made again, so that the searcher also knows the proposals that were turned away.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._pool, self._told = CandidatePool(problem), Told(problem)
        self._asked: set[int] = set()

    @property
    def refused(self) -> int:
        """Candidates left out so far because they are above the budget."""
        return self._pool.refused

    def tell(self, measurement: Measurement) -> None:
        """Tell the searcher the first result of an architecture."""
        row = self.problem.space.codes([measurement.architecture])[0]
        values = self.problem.measured_values(measurement)
        if row in self._told:
            return
        if measurement.number not in self._asked:
            self._repeat(measurement.number, row)
        self._pool.mark(row)
        if values is not None or measurement.signal is not None:
            self._finish(row, self._told.values(row, values, measurement.signal))
        elif (measurement.reason or "").startswith("diverged"):
            self._finish(row, self._told.poor(row))  # other failures may be tried again

    def _repeat(self, number: int, row: NDArray[np.int16]) -> None:
        """Make an ask of an earlier session again; what then was proposed must be ``row``."""
        try:
            proposed = self.problem.space.codes([self.ask(number)])[0]
        except SpaceExhausted:
            return
        if proposed.tobytes() != row.tobytes():
            self._pool.unmark(proposed)
            self._drop(proposed)

    @abstractmethod
    def _finish(self, row: NDArray[np.int16], values: list[float]) -> None:
        """Tell the searcher the values of an architecture and keep them in ``_told``."""

    @abstractmethod
    def _drop(self, row: NDArray[np.int16]) -> None:
        """Tell the searcher that nothing will come of a proposal."""


__all__ = ["Searcher"]
