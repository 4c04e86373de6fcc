"""Between the driver's thread and Ray Tune's: tasks out, measurements back, and who is to blame.

An evaluation that gave no answer is tried again. It costs its architecture a try only where it was
its own doing: not where its node died, nor where it had not begun. Tune 2.60 cannot tell: it counts
the loss of a node like any failure, and twice where an actor dies between two trials.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from plugnas.nas.executors.deaths import NODE_DIED, Death
from plugnas.nas.ledger.measurement import Measurement, Task, failed

PATIENCE = 8
"""Deaths that were not an evaluation's own doing after which its task is given up all the same."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds before a task is tried again, doubled from death to death: a cluster needs a while to
find out that a node is gone, and until then it may be offered again, or a verdict be wrong."""

FALSE_STARTS = 10
"""Actors that die before they are ready, with none that gets ready, after which a run ends."""

LONGEST_TEXT = 6000
"""Characters that MLflow takes in a parameter; it refuses a run with more."""

Nodes = Callable[[], Collection[str]]


@dataclass
class PendingTask:
    """A task on the cluster, from its submission to its measurement."""

    task: Task
    deaths: list[Death] = field(default_factory=list)
    due: float = 0.0
    since: float = 0.0  # when it began to run, by time.monotonic
    actor: Any = None
    place: Any = None  # the promise of the id of the actor's node, once the actor is ready

    def strikes(self, alive: Collection[str]) -> int:
        """How many tries its own doing has cost, as far as these nodes are still alive."""
        return sum(death.raised or death.node in alive for death in self.deaths)


@dataclass(frozen=True)
class Parcel:
    """A task as part of Tune's configuration: to loggers, which print it, its architecture's id."""

    task: Task

    def __str__(self) -> str:
        return self.task.architecture.id

    __repr__ = __str__

    def described(self) -> dict[str, Any]:
        """Return the configuration that carries it, with what else a logger should show."""
        architecture = self.task.architecture.json()[:LONGEST_TEXT]
        place = {"number": self.task.number, "rung": self.task.rung, "seed": self.task.seed}
        return {"task": self, **place, "architecture": architecture}


class Bridge:
    """Errands on their way to Tune, measurements on their way back; guarded by ``change``."""

    def __init__(self, max_failures: int = 2) -> None:
        self.change = threading.Condition()
        self.waiting: deque[PendingTask] = deque()
        self.trials: dict[str, PendingTask] = {}
        self.results: deque[Measurement] = deque()
        self.max_failures = max_failures
        self.finished = 0
        self.false_starts = 0
        self.driver_waits = False
        self.closed = False
        self.broken: str | None = None

    def __reduce__(self) -> tuple[type[Bridge], tuple[()]]:
        """Tune pickles what it is given, to restore it; there is nothing of ours to restore."""
        return (Bridge, ())

    def submit(self, task: Task) -> None:
        """Let a task wait for Tune."""
        with self.change:
            self.waiting.append(PendingTask(task))
            self.change.notify_all()

    def take(self, trial: str, alive: Nodes) -> PendingTask | None:
        """Return the first waiting task that is due, to be run as ``trial``; None if there is none.

        Those that are due and have used up their tries come back as failed.
        """
        with self.change:
            for pending in [e for e in self.waiting if e.due <= time.monotonic()]:
                self.waiting.remove(pending)
                strikes = pending.strikes(alive()) if pending.deaths else 0
                losses = len(pending.deaths) - strikes
                if strikes <= self.max_failures and losses < PATIENCE:
                    self.trials[trial] = pending
                    return pending
                self._give_up(pending, strikes)
            return None

    def finish(self, trial: str, measurement: Measurement) -> None:
        """Pass on the measurement of a trial."""
        with self.change:
            pending = self.trials.pop(trial, None)
            if pending is not None:
                self._pass_on(measurement)

    def fail(self, trial: str, death: Death | None) -> None:
        """Queue a trial's task for another try, after a pause where its worker died."""
        with self.change:
            pending = self.trials.pop(trial, None)
            if pending is None:
                return
            never_ready = pending.actor is None
            pending.actor = pending.place = None
            if death is not None:
                pending.deaths.append(death)
                pause = FIRST_PAUSE * 2 ** (len(pending.deaths) - 1)
                pending.due = time.monotonic() + (0 if death.raised else min(pause, LONGEST_PAUSE))
                if never_ready and NODE_DIED not in death.reason:
                    self._count_false_start(death.reason)
            self.waiting.append(pending)
            self.change.notify_all()

    def break_off(self, text: str) -> None:
        """End the run: the driver raises this text."""
        with self.change:
            self.broken = self.broken or text
            self.change.notify_all()

    def settled(self) -> bool:
        """Whether there is a task to give, or will be none until another result is in."""
        now = time.monotonic()
        due = any(pending.due <= now for pending in self.waiting)
        return due or self.closed or (self.driver_waits and not self.results)

    def _count_false_start(self, reason: str) -> None:
        self.false_starts += 1
        if self.false_starts >= FALSE_STARTS:
            self.break_off(
                f"Ray's actors must live until they are ready, but {FALSE_STARTS} in a row did not "
                f"(the last: {reason})."
            )

    def _give_up(self, pending: PendingTask, strikes: int) -> None:
        last = pending.deaths[-1]
        measurement = failed(pending.task, last.reason, seconds=last.seconds, worker="ray")
        measurement.extra["tries"] = max(1, strikes)  # type: ignore[index]
        self._pass_on(measurement)

    def _pass_on(self, measurement: Measurement) -> None:
        self.results.append(measurement)
        self.finished += 1
        self.change.notify_all()


__all__ = ["FALSE_STARTS", "PATIENCE", "Bridge", "Parcel", "PendingTask"]
