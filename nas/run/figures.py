"""The figures of a run out of its records: what `nas status` tells of a hundred thousand of them.

Few records are fitted to the space: those that make the front, and those that failed. All others
are counted. The figures are those of ``summarise`` for the whole view, which a test holds.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.front import member as fronts
from plugnas.nas.front.box import Box
from plugnas.nas.front.member import Member
from plugnas.nas.front.metric import main_objective, metric
from plugnas.nas.front.pareto import non_dominated
from plugnas.nas.ledger.fitting import (
    Fitted,
    Misfit,
    fit,
    is_settled,
    left_out_before,
    read_fitting,
    recorded_space,
)
from plugnas.nas.ledger.lines import Contents
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.ledger.record import Record
from plugnas.nas.run.python_run import Run
from plugnas.nas.run.summary import Summary, culprits, kinds
from plugnas.space import SearchSpace

_AT_ONCE = 1000  # records that are fitted together while culprits are looked for

Row = tuple[int, Record]
"""A line of the ledger, and the record there."""


@dataclass(frozen=True)
class Figures:
    """A run's records that fit its space, and the figures they make together."""

    run: Run
    fitted: Fitted
    summary: Summary

    @property
    def contents(self) -> Contents:
        """The ledger as it lies on disk."""
        return self.fitted.contents

    @classmethod
    def read(cls, run: Run) -> Figures:
        """Read a run's figures, also while it is driven.

        Raises:
            PlugnasError: a damaged ledger.
        """
        contents = run.contents
        if is_settled(contents):
            found = cls._of(run, contents, recorded_space(contents), _left_out(contents))
            if found is not None:
                return found
        space = run.space()
        misfits = read_fitting(run.ledger, space, run.costs, contents).misfits
        found = cls._of(run, contents, space, misfits)
        if found is None:
            raise RuntimeError("what was fitted as a whole fits in parts")
        return found

    @classmethod
    def _of(
        cls, run: Run, contents: Contents, space: SearchSpace, misfits: tuple[Misfit, ...]
    ) -> Figures | None:
        """Return the figures; None where a record that was looked into does not fit after all."""
        out = {misfit.line for misfit in misfits}
        rows = list(zip(contents.lines, contents.records, strict=True))
        rows = [row for row in rows if row[0] not in out] if out else rows
        try:
            summary = _Summing(space, contents, run, rows).summary()
        except _MisfitFound:
            return None
        return cls(run, Fitted(contents, (), misfits, len(contents.records)), summary)


class _MisfitFound(Exception):
    """A record that was taken for one that fits does not."""


@dataclass(frozen=True)
class _Summing:
    """What is counted, and what is fitted on the way."""

    space: SearchSpace
    contents: Contents
    run: Run
    rows: Sequence[Row]

    def summary(self) -> Summary:
        records = [record for _, record in self.rows]
        tried = {r.architecture.id for r in records}
        good = {r.architecture.id for r in records if r.ok}
        front, hypervolume = self._front()
        costs = next((r.costs for r in records if r.costs), {})
        main = metric(name := main_objective(self.run.objectives, costs), self.run.objectives[name])
        best = max(front, key=lambda m: main.sign * m[name], default=None)
        return Summary(
            tried=len(tried),
            failed=len(tried - good),
            measurements=len(records),
            reasons={kind: count for kind, count, _ in kinds(records)},
            culprits=self._culprits(),
            best=None if best is None else (name, best[name]),
            hypervolume=hypervolume,
            front=tuple(front),
        )

    def _front(self) -> tuple[list[Member], float | None]:
        """Return the front at the highest rung, and its share of the box of what is allowed."""
        groups: dict[str, list[Row]] = defaultdict(list)
        top = self.run.top_rung
        for row in self.rows:
            if row[1].rung == top and row[1].status == "ok":
                groups[row[1].architecture.id].append(row)
        if not groups:
            return [], None
        told = list(groups.values())
        objectives, budget = self.run.objectives, self.run.budget
        points = np.array([_column(told, name) for name in objectives]).T
        within = np.all([_column(told, name) <= limit for name, limit in budget.items()], axis=0)
        fitting = np.flatnonzero(np.broadcast_to(within, len(told)))
        mask = non_dominated(points[fitting], list(objectives.values()), keep_ties=False)
        chosen = [row for i in fitting[mask] for row in told[i]]
        members = fronts.members(self._fit(chosen), top)
        front = fronts.front(members, objectives, budget)
        if not front:
            return [], None
        box = Box.allowed(points, objectives, budget)
        return front, box.fraction(fronts.table(front, objectives))

    def _culprits(self) -> tuple[str, ...]:
        failed = [row for row in self.rows if not row[1].ok]
        if not failed:
            return ()
        slots = {p.name: p.slot for p in self.space.parameters}
        return culprits(self._fit(failed), self._in_turn(), slots)

    def _in_turn(self) -> Iterator[Measurement]:
        """Yield what succeeded, some at a time, for few of them clear every choice of blame."""
        good = [row for row in self.rows if row[1].ok]
        for start in range(0, len(good), _AT_ONCE):
            yield from self._fit(good[start : start + _AT_ONCE])

    def _fit(self, rows: Sequence[Row]) -> tuple[Measurement, ...]:
        lines, records = tuple(row[0] for row in rows), tuple(row[1] for row in rows)
        found = fit(replace(self.contents, lines=lines, records=records), self.space)
        if found.misfits:
            raise _MisfitFound
        return found.measurements


def _column(groups: Sequence[Sequence[Row]], name: str) -> NDArray[np.float64]:
    """Return a value's mean over each architecture's measurements, or its cost; NaN if unknown."""
    found = []
    for group in groups:
        value = group[0][1].values.get(name)
        if value is None or len(group) > 1:  # few
            value = _mean([record for _, record in group], name)
        found.append(value)
    return np.array(found)


def _mean(group: Sequence[Record], name: str) -> float:
    values = [value for r in group if (value := r.values.get(name)) is not None]
    if not values:
        cost = group[0].costs.get(name)
        return math.nan if cost is None else cost
    return values[0] if len(values) == 1 else float(np.mean(values))


def _left_out(contents: Contents) -> tuple[Misfit, ...]:
    """Return what the last session left out, which stays left out."""
    numbers: Mapping[int, Record] = dict(zip(contents.lines, contents.records, strict=True))
    left = left_out_before(contents)
    return tuple(Misfit(n, numbers[n].number, left[n]) for n in sorted(left) if n in numbers)


__all__ = ["Figures"]
