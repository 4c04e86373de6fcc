"""Asynchronous multi-objective successive halving: which architecture deserves the next rung.

Li et al. (2020), "A system for massively parallel hyperparameter tuning", with the order replaced
by non-dominated rank and then crowding. Costs are known beforehand, so only what a rung says of
the measured objectives is early knowledge. Within a rung architectures are compared by the signal
where every measurement carries one (for short trainings minus the sum of training losses), else by
the values; values of different rungs never meet.

With ``promotion="promise"`` the one of every ``eta`` that goes on is the one with the
largest expected hypervolume improvement at the last rung, by the predictor's model of all that is
known (choices, costs, every rung's signal). So does any other whose expected improvement is at
least half of that of the best unseen architecture: part of its training is paid for already.
Rank decides until that model has seen enough of a higher rung.
``experiments/records/search_rungs.md`` holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from plugnas.modules import PlugnasError
from plugnas.nas.front.pareto import crowding, ranks
from plugnas.nas.ledger.measurement import Measurement, Task
from plugnas.nas.samplers.base import Sampler
from plugnas.nas.samplers.problem import Problem
from plugnas.nas.study.promoter import Promoter
from plugnas.space import Architecture

if TYPE_CHECKING:  # its model needs scipy
    from plugnas.nas.samplers.predictor.predictor import Predictor

Promotion = Literal["rank", "promise"]

ETA = 3
"""Of how many architectures at a rung one goes on to the next."""

WORTH = 2.0
"""How many times its promise a begun architecture may count against an unseen one."""


def trials_until(rung: int) -> int:
    """Return after how many architectures the first one is trained at a rung counted from 0."""
    return ETA**rung


class RungError(PlugnasError):
    """A number of rungs, or of promotions, that makes no search."""


class Rungs(Promoter):
    """Promotes the best ``1 / eta`` of every rung to the next, as soon as they are known.

    Args:
        problem: says which objectives are known and which direction is better.
        count: number of rungs; the last is the full training.
        eta: of how many architectures at a rung one is promoted.
        promotion: what is best: by ``rank`` within the rung, or by ``promise`` of the last one.
        least: architectures a rung needs before it promotes any; by default ``eta``.
        sampler: for ``promise``, that of the same study; a ``Predictor`` is told everything there,
            so its model serves here as well. Without one, the rungs keep a model of their own.
        trials: for ``promise``, the architectures that the study may begin; once all have, only
            one of ``eta`` goes on.

    Raises:
        RungError: no rung, or an eta that keeps everything.
    """

    def __init__(
        self,
        problem: Problem,
        count: int,
        eta: float = ETA,
        *,
        promotion: Promotion = "rank",
        least: int | None = None,
        sampler: Sampler | None = None,
        trials: int | None = None,
    ) -> None:
        if count < 1:
            raise RungError(f"a search has at least one rung, not {count}")
        if not eta > 1:
            raise RungError(f"eta must be above 1 (one of eta is promoted), not {eta}")
        self.problem, self.count, self.eta = problem, count, eta
        self.least = int(np.ceil(eta)) if least is None else least
        self.promotion, self.trials = promotion, trials
        from plugnas.nas.samplers.predictor.predictor import Predictor

        self._shared = sampler if isinstance(sampler, Predictor) else None
        self._own: Predictor | None = None
        self._heard: list[Measurement] = []

    def next(
        self, measurements: Sequence[Measurement], running: Iterable[Task] = ()
    ) -> tuple[Architecture, int] | None:
        """Return the promotion that is due, highest rung first, or None.

        Whoever failed at a rung stays there and counts as its last.
        """
        at: list[dict[str, list[Measurement]]] = [{} for _ in range(self.count)]
        for measurement in measurements:
            if 0 <= measurement.rung < self.count:
                at[measurement.rung].setdefault(measurement.architecture.id, []).append(measurement)
        tasks = list(running)
        for rung in range(self.count - 2, -1, -1):
            group = at[rung]
            above = at[rung + 1].keys() | {t.architecture.id for t in tasks if t.rung == rung + 1}
            if len(group) < self.least:
                continue
            if self.promotion == "rank":
                chosen = self._by_rank(group, above)
            else:
                begun = at[0].keys() | {t.architecture.id for t in tasks}
                more = self.trials is None or len(begun) < self.trials
                chosen = self._by_promise(group, above, rung, measurements, tasks, more=more)
            if chosen is not None:
                return chosen, rung + 1
        return None

    def _by_rank(
        self, group: Mapping[str, list[Measurement]], above: AbstractSet[str]
    ) -> Architecture | None:
        """Return the best of a rung that is among its first 1/eta and was not promoted yet."""
        places = int(len(group) / self.eta)
        for name in self.order(group)[:places]:
            if name not in above:
                return group[name][0].architecture
        return None

    def _by_promise(
        self,
        group: Mapping[str, list[Measurement]],
        above: AbstractSet[str],
        rung: int,
        measurements: Sequence[Measurement],
        tasks: list[Task],
        *,
        more: bool,
    ) -> Architecture | None:
        """Return the architecture of a rung with the largest expected improvement, or None.

        Where fewer than one in ``eta`` are promoted, always one; else only one that is worth
        it. Where the model cannot tell yet, rank does. ``more``: whether trials are left.
        """
        waiting = {k: ms for k, ms in group.items() if k not in above and any(m.ok for m in ms)}
        owed = len(above) < int(len(group) / self.eta)
        if not waiting or not (owed or more):
            return None
        candidates = {k: ms[0].architecture for k, ms in waiting.items()}
        ahead = {t.architecture.id: t.architecture for t in tasks}
        others = [a for k, a in ahead.items() if k not in candidates]
        predictor = self._predictor(measurements)
        expected = predictor.expected_improvement(list(candidates.values()), rung + 1, others)
        if expected is not None:
            gains, unseen = expected
            best = int(np.argmax(gains))
            worth_it = owed or WORTH * gains[best] >= unseen
            return list(candidates.values())[best] if worth_it else None
        ranked = self.order(waiting) if owed else []
        return candidates[ranked[0]] if ranked else None

    def _predictor(self, measurements: Sequence[Measurement]) -> Predictor:
        """Return a predictor that was told all of the measurements."""
        if self._shared is not None:
            return self._shared
        known = len(self._heard)
        if self._own is None or list(measurements[:known]) != self._heard:
            from plugnas.nas.samplers.predictor.predictor import Predictor

            self._own, self._heard = Predictor(self.problem), []
        for measurement in measurements[len(self._heard) :]:
            self._own.tell(measurement)
        self._heard = list(measurements)
        return self._own

    def order(self, group: Mapping[str, list[Measurement]]) -> list[str]:
        """Return the ids that succeeded at one rung by rank within it, the best first."""
        good = {k: [m for m in ms if m.ok] for k, ms in group.items()}
        signalled = all(_finite(m.signal) for ms in good.values() for m in ms)
        rows = {k: self._bought(ms, signalled=signalled) for k, ms in good.items() if ms}
        names = [k for k, row in rows.items() if row is not None]
        if not names:
            return []
        points = np.column_stack(
            [np.array([rows[k] for k in names]), self._known([good[k][0] for k in names])]
        )
        directions = ["max"] * points.shape[1]
        rank = ranks(points, directions)
        spread = np.zeros(len(names))
        for level in np.unique(rank):
            inside = rank == level
            spread[inside] = crowding(points[inside], directions)
        order = np.lexsort((np.arange(len(names)), -points[:, 0], -spread, rank))
        return [names[i] for i in order]

    def _bought(
        self, measurements: list[Measurement], *, signalled: bool
    ) -> NDArray[np.float64] | None:
        """Return what one rung says of an architecture, more is better, mean of seeds."""
        rows = []
        for m in measurements:
            values = self.problem.measured_values(m)
            if values is None and not signalled:
                return None
            row = np.zeros(len(self.problem.measured)) if values is None else values.copy()
            if signalled:
                row[0] = m.signal
            rows.append(row)
        mean: NDArray[np.float64] = np.mean(rows, axis=0)
        return mean

    def _known(self, measurements: list[Measurement]) -> NDArray[np.float64]:
        """Return the known objectives of architectures (n, known), more is better."""
        codes = self.problem.space.codes([m.architecture for m in measurements])
        costs, names = self.problem.costs(codes), self.problem.cost_names
        columns = [self.problem.sign(n) * costs[:, names.index(n)] for n in self.problem.known]
        return np.stack(columns, axis=1) if columns else np.zeros((len(codes), 0))


def _finite(value: float | None) -> bool:
    return value is not None and bool(np.isfinite(value))


__all__ = ["ETA", "Promotion", "RungError", "Rungs", "trials_until"]
