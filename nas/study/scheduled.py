"""Rungs whose promotions somebody else's scheduler decides, such as Ray Tune's ASHA."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np

from plugnas.nas.ledger.measurement import Measurement, Task
from plugnas.nas.samplers.base import Sampler, Scheduler
from plugnas.nas.samplers.problem import Problem, ProblemError
from plugnas.nas.study.promoter import Promoter
from plugnas.space import Architecture


class Scheduled(Promoter):
    """Tells a scheduler of every architecture at every rung, once, and promotes those that go on.

    It hears the first measured objective (mean of the seeds; more is better), or the signal where a
    rung only ranks.

    Args:
        problem: what is searched. scheduler: decides.
        count: number of rungs. seeds: measurements of an architecture at a rung.
    """

    def __init__(self, problem: Problem, scheduler: Scheduler, count: int, seeds: int = 1) -> None:
        self.problem, self.count = problem, count
        self._scheduler, self._seeds = scheduler, seeds
        self._heard = 0
        self._values: dict[tuple[str, int], list[float]] = {}
        self._due: deque[tuple[Architecture, int]] = deque()

    def next(
        self, measurements: Sequence[Measurement], running: Iterable[Task] = ()
    ) -> tuple[Architecture, int] | None:
        """Return the promotion that is due, or None."""
        for measurement in measurements[self._heard :]:
            self._hear(measurement)
        self._heard = len(measurements)
        above = {(m.architecture.id, m.rung) for m in measurements}
        above |= {(task.architecture.id, task.rung) for task in running}
        while self._due:
            architecture, rung = self._due.popleft()
            if (architecture.id, rung) not in above:
                return architecture, rung
        return None

    def _hear(self, measurement: Measurement) -> None:
        value = self._value(measurement)
        if value is None or measurement.rung >= self.count - 1:
            return
        architecture, rung = measurement.architecture, measurement.rung
        values = self._values.setdefault((architecture.id, rung), [])
        values.append(value)
        whole = len(values) == self._seeds
        if whole and self._scheduler.goes_on(architecture.id, rung, float(np.mean(values))):
            self._due.append((architecture, rung + 1))

    def _value(self, measurement: Measurement) -> float | None:
        """Return what the scheduler hears; None of what failed."""
        values = self.problem.measured_values(measurement)
        if values is not None:
            return float(values[0])
        return measurement.signal if measurement.ok else None


def check_scheduler(sampler: Sampler, rungs: int) -> None:
    """Raise ProblemError where a sampler brings a scheduler that has nothing to decide."""
    if sampler.scheduler is not None and rungs == 1:
        raise ProblemError(
            "a `scheduler` decides who goes on to the next rung, but this search has one rung; "
            "leave it out, or name several rungs"
        )


__all__ = ["Scheduled", "check_scheduler"]
