"""What every executor is to the loop that drives it."""

from __future__ import annotations

from typing import Protocol

from plugnas.modules.errors import PlugnasError
from plugnas.nas.ledger.measurement import Measurement, Task


class ExecutorError(PlugnasError):
    """An executor that cannot work at all: the run cannot go on, what is recorded is safe."""


class Executor(Protocol):
    """Runs tasks. Each submitted task comes back as exactly one measurement, failed or not."""

    @property
    def capacity(self) -> int:
        """How many tasks may be submitted and not yet returned: those that wait included."""

    @property
    def running(self) -> int:
        """How many of those are being evaluated just now."""

    def submit(self, task: Task) -> None:
        """Take a task; returns at once."""

    def recall(self) -> list[Task]:
        """Take back the tasks that nobody has begun and return them."""

    def wait(self, timeout: float) -> list[Measurement]:
        """Return what has finished; wait at most ``timeout`` seconds for the first of them."""

    def close(self) -> None:
        """Stop all work at once and free everything; a second call does nothing."""


__all__ = ["Executor", "ExecutorError"]
