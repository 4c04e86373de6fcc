"""What more trainings of a run would take, by what it took so far."""

from __future__ import annotations

import math
from collections.abc import Collection

from plugnas.nas.job.workers import worker_count
from plugnas.nas.run.view import RunView


def seconds_of_training(view: RunView, ids: Collection[str] = ()) -> float:
    """Return the mean seconds of one evaluation at the last rung; NaN where there was none.

    ``ids`` are the architectures that count, by default all.
    """
    asked, top = frozenset(ids), view.top_rung
    found = [
        m.seconds
        for m in view.measurements
        if m.rung == top and m.ok and (not asked or m.architecture.id in asked)
    ]
    return sum(found) / len(found) if found else math.nan


def side_by_side(view: RunView, trainings: int) -> int:
    """Return how many of some trainings run at a time by the run's job, on this machine."""
    return max(1, min(worker_count(view.job_run.job), trainings))


__all__ = ["seconds_of_training", "side_by_side"]
