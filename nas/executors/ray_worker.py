"""One worker of a pool on a cluster, as its driver sees it: starting, idle or busy."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Any

from plugnas.nas.executors.actor import Evaluation, end, halted
from plugnas.nas.executors.cluster import Cluster, ray
from plugnas.nas.executors.patience import STOPPED
from plugnas.nas.executors.tries import PendingTask

LONG = 10.0
"""Seconds of an evaluation after which it is looked now and then whether its process is halted."""

LOOKS = 3
"""Looks in a row, over ``STOPPED`` seconds, that find a process halted: then it is ended."""


class Worker:
    """An actor on a node and the task it has, if any.

    ``fault`` says why the driver ended it; ``limit`` is the time its evaluation was given.
    """

    def __init__(self, cluster: Cluster, node: str, evaluator: Any) -> None:
        self.node = node
        self.ready = False
        self.pending: PendingTask | None = None
        self.limit: float | None = None
        self.fault: str | None = None
        self.promise: Any = None
        self._cluster = cluster
        self._actor = cluster.actor(Evaluation, node)
        self._pid = 0
        self._begun: Any = None
        self._since = 0.0
        self._look: Any = None
        self._looked = 0.0
        self._halts = 0
        self.promise = self._actor.greet.remote(evaluator)

    @property
    def starting(self) -> bool:
        """Whether it has not said yet that it is ready."""
        return not self.ready

    @property
    def idle(self) -> bool:
        """Whether it waits for a task."""
        return self.ready and self.pending is None

    @property
    def seconds(self) -> float:
        """How long it has had its task."""
        return 0.0 if self.pending is None else time.monotonic() - self._since

    def take_in(self, pid: int) -> None:
        """Note that it is ready, and what its process is."""
        self.ready, self._pid, self.promise = True, pid, None

    def give(self, pending: PendingTask, limit: float | None) -> None:
        """Let it evaluate a task."""
        self.pending, self.limit = pending, limit
        self._since = self._looked = time.monotonic()
        self._halts = 0
        self._begun = self._actor.begin.remote()
        self.promise = self._actor.evaluate.remote(pending.task, limit)

    def finish(self) -> None:
        """Note that its task is done."""
        self.pending = self.promise = self._begun = None

    def has_begun(self) -> bool:
        """Whether it was alive when its evaluation's turn had come."""
        try:
            ray.get(self._begun, timeout=0)
        except Exception:  # noqa: BLE001 - dead, or not yet: no matter why
            return False
        return True

    def watch(self, overdue: str | None) -> None:
        """End its process where that hangs (``overdue`` says so) or is halted."""
        if self.pending is None or self.fault is not None:
            return
        if overdue is not None:
            self._end(overdue)
        elif self.seconds > LONG:
            self._watch_for_halts()

    def _watch_for_halts(self) -> None:
        now = time.monotonic()
        if self._look is None:
            if now - self._looked >= STOPPED / LOOKS:
                self._look = self._cluster.run(halted, self.node, [self._pid])
        elif ray.wait([self._look], timeout=0)[0]:
            found: list[int] = []
            with contextlib.suppress(Exception):
                found = ray.get(self._look)
            self._halts = self._halts + 1 if found else 0
            self._look, self._looked = None, now
            if self._halts >= LOOKS:
                self._end(f"stopped: its process was halted (SIGSTOP) for {STOPPED:g} s")

    def _end(self, fault: str) -> None:
        self.fault = fault
        self._cluster.run(end, self.node, self._pid)

    def kill(self) -> None:
        """End the actor, whatever it does."""
        with contextlib.suppress(Exception):
            ray.kill(self._actor)


def ready_of(
    workers: Sequence[Worker], timeout: float
) -> Iterator[tuple[Worker, Any, Exception | None]]:
    """Yield workers that have answered, with what they said or the error they died of.

    Waits at most ``timeout`` seconds for the first.
    """
    waited = {worker.promise: worker for worker in workers if worker.promise is not None}
    if not waited:
        time.sleep(min(timeout, 0.05))
        return
    ready, _ = ray.wait(list(waited), timeout=timeout)
    if ready:
        ready, _ = ray.wait(list(waited), num_returns=len(waited), timeout=0)
    for promise in ready:
        try:
            yield waited[promise], ray.get(promise), None
        except Exception as error:  # noqa: BLE001 - of Ray's dozen kinds, or the evaluation's own
            yield waited[promise], None, error


def put(value: Any) -> Any:
    """Put a value into the object store and return the promise of it."""
    return ray.put(value)


__all__ = ["LONG", "Worker", "put", "ready_of"]
