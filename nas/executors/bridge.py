"""Between the driver's thread and that of a library which asks for work by itself."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from nas.evaluation import OUT_OF_MEMORY
from nas.records import Measurement, Task


class Bridge:
    """Tasks on their way to Tune, measurements on their way back; guarded by ``change``."""

    def __init__(self) -> None:
        self.change = threading.Condition()
        self.tasks: deque[Task] = deque()
        self.results: deque[Measurement] = deque()
        self.trials: dict[str, Task] = {}
        self.since: dict[str, float] = {}
        self.actors: dict[str, Any] = {}
        self.driver_waits = False
        self.closed = False
        self.broken: str | None = None

    def __reduce__(self) -> tuple[type[Bridge], tuple[()]]:
        """Tune pickles what it is given, to restore it; there is nothing of ours to restore."""
        return (Bridge, ())

    def finish(self, trial: str, measurement: Measurement) -> None:
        with self.change:
            if self.trials.pop(trial, None) is not None:
                self.results.append(measurement)
            self.change.notify_all()

    def fail(self, text: str) -> None:
        with self.change:
            self.broken = self.broken or text
            self.change.notify_all()

    def settled(self) -> bool:
        """Whether there is a task to give, or will be none until another result is in."""
        return bool(self.tasks) or self.closed or (self.driver_waits and not self.results)


def reason_of(error: Any) -> str:
    """Return Tune's error in one line: what became of the actor."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = (lines[-1] if lines else "no error was told")[:300]
    if OUT_OF_MEMORY in text:
        return f"{OUT_OF_MEMORY}: {text.rpartition(OUT_OF_MEMORY + ': ')[2]}"
    if type(error).__name__ == "OutOfMemoryError":
        return f"{OUT_OF_MEMORY}: Ray killed the worker"
    return f"killed: {type(error).__name__}: {(lines or [''])[0][:300]}"


__all__ = ["Bridge", "reason_of"]
