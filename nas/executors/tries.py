"""Tasks on a cluster that wait for a worker, and who is to blame where an evaluation was lost.

An evaluation that gave no answer is tried again. It costs its architecture a try only where it was
its own doing: not where its node died, nor where it had not begun.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field

from plugnas.nas.executors.deaths import Death
from plugnas.nas.ledger.measurement import Measurement, Task, failed

PATIENCE = 8
"""Deaths that were not an evaluation's own doing after which its task is given up all the same."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds before a task is tried again, doubled from death to death: a cluster needs a while to
find out that a node is gone, and until then a verdict may be wrong."""


@dataclass
class PendingTask:
    """A task on the cluster, from its submission to its measurement."""

    task: Task
    deaths: list[Death] = field(default_factory=list)
    due: float = 0.0  # when it may be tried, by time.monotonic

    def strikes(self, alive: Collection[str]) -> int:
        """How many tries ended by its own fault: it raised, or its node is still alive."""
        return sum(death.raised or death.node in alive for death in self.deaths)


class Tries:
    """The tasks that wait to be tried, and those whose tries are used up."""

    def __init__(self, max_failures: int = 2) -> None:
        self._max_failures = max_failures
        self._waiting: deque[PendingTask] = deque()
        self._given_up: list[Measurement] = []

    def add(self, task: Task) -> None:
        """Let a task wait for its first try."""
        self._waiting.append(PendingTask(task))

    def due(self) -> int:
        """Return how many tasks may be tried now."""
        now = time.monotonic()
        return sum(pending.due <= now for pending in self._waiting)

    def until_due(self) -> float:
        """Return the seconds until one more task may be tried; infinite where none is waiting."""
        now = time.monotonic()
        return min((p.due - now for p in self._waiting if p.due > now), default=float("inf"))

    def take(self, alive: Collection[str]) -> PendingTask | None:
        """Return the first waiting task that is due, to be tried; None if there is none.

        Those that are due and have used up their tries are given up; ``alive`` are the names of
        the nodes that live.
        """
        now = time.monotonic()
        for pending in [p for p in self._waiting if p.due <= now]:
            self._waiting.remove(pending)
            strikes = pending.strikes(alive)
            if strikes <= self._max_failures and len(pending.deaths) - strikes < PATIENCE:
                return pending
            self._given_up.append(_given_up(pending, strikes))
        return None

    def given_up(self) -> list[Measurement]:
        """Return, as failed measurements, what was given up since the last call."""
        given_up, self._given_up = self._given_up, []
        return given_up

    def fail(self, pending: PendingTask, death: Death) -> None:
        """Let a task wait for another try, after a pause where its worker died."""
        pending.deaths.append(death)
        pause = min(FIRST_PAUSE * 2 ** (len(pending.deaths) - 1), LONGEST_PAUSE)
        pending.due = time.monotonic() + (0.0 if death.raised else pause)
        self._waiting.append(pending)


def _given_up(pending: PendingTask, strikes: int) -> Measurement:
    last = pending.deaths[-1]
    measurement = failed(pending.task, last.reason, seconds=last.seconds, worker="ray")
    measurement.extra["tries"] = max(1, strikes)  # type: ignore[index]
    return measurement


__all__ = ["PATIENCE", "PendingTask", "Tries"]
