"""What runs on the nodes of a cluster: the actor that evaluates task after task."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import traceback
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from plugnas.nas.executors.measure import Evaluate, Evaluator, data_of, measure
from plugnas.nas.executors.patience import is_halted
from plugnas.nas.ledger.measurement import Measurement, Task, spoils_worker
from plugnas.nas.machine.fingerprint import fingerprint


@dataclass(frozen=True)
class Greeting:
    """What a new worker says of itself: its process, what decides its figures, what went wrong."""

    pid: int
    fingerprint: dict[str, str] = field(default_factory=dict)
    broken: str | None = None


class Evaluation:
    """A Ray actor that evaluates task after task; the evaluator is made once in it."""

    _evaluate: Evaluate

    def greet(self, evaluator: Evaluator) -> Greeting:
        """Make the evaluator, and say who this is."""
        try:
            self._evaluate = evaluator()
        except Exception:  # noqa: BLE001 - whatever it is, the driver must be told
            return Greeting(os.getpid(), broken=traceback.format_exc())
        torch: Any = sys.modules.get("torch")
        if torch is not None:
            torch.set_num_threads(1)
        return Greeting(os.getpid(), fingerprint(data_of(self._evaluate)))

    def begin(self) -> None:
        """Return at once: what is called next has begun when this is back."""

    def evaluate(self, task: Task, limit: float | None) -> Measurement:
        """Evaluate a task; the process ends where that takes more than ``limit`` seconds."""

        def watch() -> None:
            """Let this process end when the evaluation hangs, even where it never yields."""
            if limit is not None:
                faulthandler.dump_traceback_later(limit, exit=True)

        worker = f"ray {os.uname().nodename} {os.getpid()}"
        try:
            measurement = measure(task, self._evaluate, worker=worker, on_begin=watch)
        finally:
            faulthandler.cancel_dump_traceback_later()
        if spoils_worker(measurement):
            raise RuntimeError(measurement.reason)  # the driver replaces this actor
        return measurement


def halted(pids: Collection[int]) -> list[int]:
    """Return which of these processes of this machine are halted (SIGSTOP)."""
    return [pid for pid in pids if is_halted(pid)]


def end(pid: int) -> None:
    """End a process of this machine that hears no orders of Ray's."""
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)


__all__ = ["Evaluation", "Greeting", "end", "halted"]
