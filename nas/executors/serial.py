"""Evaluation in the driver's own process, one task after another."""

from __future__ import annotations

import os
from collections import deque

from plugnas.nas.executors.measure import Evaluate, Evaluator, measure
from plugnas.nas.ledger.measurement import Measurement, Task


class SerialExecutor:
    """Runs a task in ``wait``, in this process: for Python callables and for debugging.

    Nothing guards against an evaluation that hangs or kills the process.
    """

    capacity = 1

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._evaluate: Evaluate | None = None
        self._tasks: deque[Task] = deque()

    @property
    def running(self) -> int:
        """One, if any is submitted: it runs in the next ``wait``."""
        return min(1, len(self._tasks))

    def submit(self, task: Task) -> None:
        """Take a task; it runs in the next ``wait``."""
        self._tasks.append(task)

    def recall(self) -> list[Task]:
        """Return nothing: what was submitted counts as begun."""
        return []

    def wait(self, timeout: float) -> list[Measurement]:
        """Evaluate one submitted task, however long it takes."""
        if not self._tasks:
            return []
        if self._evaluate is None:
            self._evaluate = self._evaluator()
        worker = f"serial {os.uname().nodename} {os.getpid()}"
        return [measure(self._tasks.popleft(), self._evaluate, worker=worker)]

    def close(self) -> None:
        """Forget the tasks not yet run."""
        self._tasks.clear()


__all__ = ["SerialExecutor"]
