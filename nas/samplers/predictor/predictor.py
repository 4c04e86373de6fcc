"""The default sampler: evaluates where the expected hypervolume improvement is largest."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.ledger.measurement import Measurement, Task
from plugnas.nas.machine.log import logger
from plugnas.nas.samplers.base import Sampler
from plugnas.nas.samplers.candidate_pool import CandidatePool
from plugnas.nas.samplers.evolution import Evolution
from plugnas.nas.samplers.predictor.acquisition import Acquisition
from plugnas.nas.samplers.predictor.aim import Aim
from plugnas.nas.samplers.predictor.candidates import first_round, next_round, spread
from plugnas.nas.samplers.predictor.model import PENDING, Model
from plugnas.nas.samplers.predictor.observations import PROOF
from plugnas.nas.samplers.predictor.table import Table
from plugnas.nas.samplers.problem import Problem, ProblemError, SpaceExhausted
from plugnas.space import Architecture

Codes = NDArray[np.int16]
Doubles = NDArray[np.float64]

_ROUNDS, _FEW = 4, 32
_FIRST_AGAIN = 9  # architectures before the first is measured again
_LEAST = 4  # measurements that the model wants before it speaks


class Predictor(Sampler):
    """Expected hypervolume improvement under a Gaussian process over the choices.

    Procedure: the first ``designs`` proposals are spread over the known costs. Before each later
    one, a process is fitted to every measured objective, on a warped scale, and the unseen
    architecture within budget with the largest acquisition is proposed; all are scored where the
    space is small, else those that a search by mutation from the front reaches.

    Model: y(a) = f(a) + noise. The covariance of f is the sum of s exp(-sum_g w_g d_g(a, b)), where
    d_g counts in what the group g of choices differs; of a part that is linear in the choices; and,
    while measurements are few, of a line in each known cost's logarithm. The noise may grow with a
    falling value and below the last rung. All these numbers have the largest marginal likelihood
    times a prior (Rasmussen and Williams, 2006, chapter 5).

    Acquisition: E[HV(F + y(a)) - HV(F)], the expected hypervolume improvement over the front F as
    believed (Emmerich, Giannakoglou and Naujoks, 2006); known costs enter as they are. With limits
    it is the improvement of the best within each of ``levels``. Architectures that were asked for
    and not told yet count as measured with their expected value (the "Kriging believer" of
    Ginsbourger, Le Riche and Carraro, 2010).

    Args:
        problem: what is searched: space, objectives, budget and costs.
        designs: proposals before the model's first; by default as many as suit the space.

    Raises:
        ProblemError: nothing meets the budget, or ``designs`` is below 1.
    """

    measures_again = True

    def __init__(self, problem: Problem, *, designs: int | None = None) -> None:
        if designs is not None and designs < 1:
            raise ProblemError(f"the predictor starts from at least 1 design, not {designs}")
        self.problem = problem
        self._pool = CandidatePool(problem)
        varied = sum(len(p.choices) > 1 and not p.of_choice for p in problem.space.parameters)
        self._designs = designs or int(np.clip(4 + varied // 2, 5, 12))
        least = min(_LEAST, max(2, self._designs))
        self._model = Model(problem, least, self._pool.known_sample)
        self._pending: dict[bytes, None] = {}
        self._table: Table | None = None
        self._told: list[Measurement] = []
        self._remarks: dict[int, str] = {}
        self._weighed: tuple[tuple[int, int, int], Codes] | None = None
        listed = self._pool.listed
        self._crowd = self._pool.table if listed else spread(problem, self._designs)
        known = self._pool.table_costs[self._pool.free()]
        self._aim = Aim(problem, known if listed else problem.costs(self._crowd))

    @property
    def refused(self) -> int:
        """Candidates left out so far because they are above the budget."""
        return self._pool.refused

    # --- telling --------------------------------------------------------------------------------

    def tell(self, measurement: Measurement) -> None:
        """Learn from a measurement; one that failed counts as a bad value."""
        row = self.problem.space.codes([measurement.architecture])[0]
        self._pending.pop(row.tobytes(), None)
        self._pool.mark(row)
        self._told.append(measurement)
        try:
            self._model.tell(row, measurement)
        except (ArithmeticError, ValueError, np.linalg.LinAlgError) as error:
            self._model.give_up(str(error))  # it is fitted anew at the next measurement

    def expect(self, task: Task) -> bool:
        """Note an architecture that is being measured elsewhere."""
        row = self.problem.space.codes([task.architecture])[0]
        if not self._pool.seen(row):
            self._pool.mark(row)
            self._pending[row.tobytes()] = None
        return True

    # --- asking ---------------------------------------------------------------------------------

    def ask(self, number: int) -> Architecture:
        """Return the unseen architecture within budget with the largest expected improvement."""
        self._pool.any_left()
        rng = self.problem.rng(number)
        if len(self._pool) < self._designs or not (self._model.ready or self._model.broken):
            row = self._design(rng)
        else:
            row = self._best_or_evolved(number, rng)
        self._pending[row.tobytes()] = None
        return self._pool.take(row)

    def again(self, number: int, busy: Collection[Architecture]) -> Architecture | None:
        """Return the architecture of the shown front that most deserves another measurement.

        None where the best unseen architecture is expected to add more to the front. The first
        three repetitions are made whatever is expected: they show how much noise there is. At most
        a third of the measurements are repetitions, and none more where those gave the same value.
        """
        if not self._model.ready or len(self._pool) < max(self._designs, _FIRST_AGAIN):
            return None
        repeated, enough = self._model.observations.repetitions()
        if enough:
            return None
        hidden = {row.tobytes() for row in self.problem.space.codes(list(busy))} if busy else set()
        acquisition, unseen = None, 0.0
        try:
            acquisition = Acquisition(self._model, self._pending_rows(), self._aim)
            rows, gains = acquisition.leaders(hidden)
            if not self._pool.listed or self._pool.free().any():
                row, unseen = self._choose(acquisition, self.problem.rng(number))
                self._weighed = self._state(number), row
        except (ArithmeticError, ValueError, np.linalg.LinAlgError):
            return None  # the proposal will say so
        finally:
            if acquisition is not None:
                acquisition.close()
        least = 0.0 if repeated < PROOF else max(unseen, 0.0)
        if not gains.max(initial=0.0) > least:
            return None
        return self.problem.space.architectures(rows[[int(np.argmax(gains))]])[0]

    def remark(self, number: int) -> str | None:
        """Return why a proposal did not come from the model; None where it did."""
        return self._remarks.get(number)

    def _best_or_evolved(self, number: int, rng: np.random.Generator) -> NDArray[np.int16]:
        """Return the model's proposal; evolution's where the model cannot be computed.

        Whatever happens to a model, the search goes on.
        """
        reason = self._model.broken
        if reason is None:
            try:
                return self._best(number, rng)
            except (ArithmeticError, ValueError, np.linalg.LinAlgError) as error:
                reason = str(error)
        self._remarks[number] = f"evolution, for the model failed: {reason}"
        if len(self._remarks) == 1:
            logger.warning("proposal %d is by evolution, as the model failed: %s", number, reason)
        evolved = Evolution(self.problem)
        for measurement in self._told:
            evolved.tell(measurement)
        for key in self._pending:
            evolved.expect_row(np.frombuffer(key, dtype=np.int16))
        return self.problem.space.codes([evolved.ask(number)])[0]

    def expected_improvement(
        self, candidates: Sequence[Architecture], rung: int, ahead: Sequence[Architecture] = ()
    ) -> tuple[Doubles, float] | None:
        """Return the expected improvement (n,) of architectures, and that of the best unseen one.

        It is that at the highest rung of which enough is known; None while that is below ``rung``.
        ``ahead`` are being measured. Where nothing is
        left unseen, that of the best unseen is infinite.
        """
        if not candidates or not self._model.ready or self._model.rung < rung:
            return None
        codes = self.problem.space.codes(list(candidates))
        acquisition = Acquisition(self._model, self.problem.space.codes(list(ahead)), self._aim)
        try:
            gains = acquisition.score(codes, self.problem.costs(codes))
            rng = self.problem.rng(len(self._model.observations))
            if not self._pool.listed:
                _, scores = self._search(acquisition, rng)
            elif self._pool.free().any():
                _, scores = self._score_table(acquisition)
            else:
                scores = np.full(1, np.inf)
        except SpaceExhausted:
            scores = np.full(1, np.inf)
        finally:
            acquisition.close()
        return gains, float(scores.max())

    def _design(self, rng: np.random.Generator) -> NDArray[np.int16]:
        """Return the unseen row nearest to the next cost level, far from what was seen."""
        if self._pool.listed:
            free = self._pool.free()
            codes, costs = self._pool.table[free], self._pool.table_costs[free]
        else:
            codes, costs = self._pool.fresh(self._crowd)
            if len(codes) < 8:
                more = self._pool.draw(64, rng)
                codes = np.concatenate([codes, more])
                costs = np.concatenate([costs, self.problem.costs(more)])
        names = (*self.problem.known, *self.problem.budget, *self.problem.cost_names)
        near = np.arange(len(codes))
        if names:
            cost = costs[:, self.problem.cost_names.index(names[0])]
            level = cost.min() + _level(len(self._pool)) * np.ptp(cost)
            miss = np.abs(cost - level)
            near = np.argsort(miss, kind="stable")[:32]
            near = near[miss[near] <= miss[near[0]] + 0.02 * np.ptp(cost)]
        if self.problem.preference is not None:
            return codes[near[self._pool.ordered(codes[near], rng)[0]]]
        seen = self._pool.recent(64)
        apart = (codes[near][:, None, :] != seen[None, :, :]).sum(axis=2)
        distance = apart.min(axis=1) if len(seen) else np.zeros(len(near))
        return codes[near[np.lexsort((rng.random(len(near)), -distance))[0]]]

    def _best(self, number: int, rng: np.random.Generator) -> NDArray[np.int16]:
        """Return the row with the greatest expected improvement."""
        if self._weighed is not None and self._weighed[0] == self._state(number):
            return self._weighed[1]
        acquisition = Acquisition(self._model, self._pending_rows(), self._aim)
        try:
            return self._choose(acquisition, rng)[0]
        finally:
            acquisition.close()

    def _state(self, number: int) -> tuple[int, int, int]:
        return number, len(self._told), len(self._pending)

    def _choose(
        self, acquisition: Acquisition, rng: np.random.Generator
    ) -> tuple[NDArray[np.int16], float]:
        """Return the unseen row with the greatest expected improvement, and that."""
        if self._pool.listed:
            codes, scores = self._score_table(acquisition)
        else:
            codes, scores = self._search(acquisition, rng)
        scores = self._preferred(codes, scores)
        # What is equal within rounding must not follow the order of the candidates.
        best = np.flatnonzero(scores >= scores.max() - 1e-9 * abs(scores.max()))
        return codes[rng.choice(best)], float(scores.max())

    def _preferred(self, codes: Codes, scores: Doubles) -> Doubles:
        """Return scores times the odds of what the user prefers, which fade with evidence."""
        if self.problem.preference is None:
            return scores
        logs = self.problem.preference.logs(codes, len(self._model.observations))
        return scores * np.exp(logs - logs.max(initial=0.0))

    def _pending_rows(self) -> Codes:
        rows = [np.frombuffer(key, dtype=np.int16) for key in list(self._pending)[-PENDING:]]
        return np.array(rows, dtype=np.int16).reshape(len(rows), len(self.problem.space.parameters))

    def _score_table(self, acquisition: Acquisition) -> tuple[Codes, Doubles]:
        free = self._pool.free()
        stale = self._table is None or self._table.version != self._model.version
        if self._table is None or stale or not free[self._table.index].any():
            self._table = Table(acquisition, self._pool)
        scores = self._table.scores(acquisition)
        scores[~free[self._table.index]] = -1.0
        return self._pool.table[self._table.index], scores

    def _search(self, acquisition: Acquisition, rng: np.random.Generator) -> tuple[Codes, Doubles]:
        parents = acquisition.parents()
        codes, costs = self._pool.fresh(first_round(self._pool, parents, rng))
        if len(codes) < _FEW:
            codes = self._pool.draw(_FEW, rng)
            costs = self.problem.costs(codes)
        scores = acquisition.score(codes, costs)
        for _ in range(_ROUNDS - 1):
            best = codes[np.argsort(-self._preferred(codes, scores), kind="stable")[:16]]
            found, found_costs = self._pool.fresh(next_round(self._pool, best, rng))
            codes = np.concatenate([codes, found])
            scores = np.concatenate([scores, acquisition.score(found, found_costs)])
        return codes, scores


def _level(k: int) -> float:
    """Return 0, 1, 1/2, 1/4, 3/4, 1/8, ...: levels that fill the range at every length."""
    if k < 2:
        return float(k)
    digits = range((k - 1).bit_length())
    return sum(((k - 1) >> d & 1) / 2 ** (d + 1) for d in digits)
