"""One worker process of this machine, as its driver sees it: how it starts, what it died of."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from plugnas.nas.executors.memory import kills_for_memory
from plugnas.nas.executors.patience import Pulse
from plugnas.nas.ledger.measurement import OUT_OF_MEMORY, Task

VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass
class LocalWorker:
    """A worker process as its driver sees it: starting, idle (no task) or busy."""

    process: SpawnProcess
    connection: Connection
    gpu: str | None = None
    ready: bool = False
    task: Task | None = None
    since: float | None = None  # when the evaluation began; None while it waits for quiet
    kills: int = 0
    spoilt: bool = False
    pulse: Pulse = field(default_factory=Pulse)

    @property
    def idle(self) -> bool:
        return self.ready and self.task is None


def visible_gpus(gpus: int) -> list[str]:
    """Return the names of this process's GPUs, as the variable has them that hides the others."""
    named = [name for name in os.environ.get(VISIBLE, "").split(",") if name]
    return named[:gpus] or [str(number) for number in range(gpus)]


def cause_of_death(worker: LocalWorker) -> str:
    """Return why a worker process is dead, from its exit code."""
    code = worker.process.exitcode
    if code is None:
        return "killed: worker closed its connection"
    if code >= 0:
        return f"killed: worker exited with code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    if -code == signal.SIGKILL and worker.kills != kills_for_memory():
        return f"{OUT_OF_MEMORY}: the system killed the worker ({name})"
    return f"killed: worker ended by {name}"


@contextlib.contextmanager
def without_interrupts() -> Iterator[None]:
    """Start children that no Ctrl-C reaches: it is for the driver, which then ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


__all__ = ["VISIBLE", "LocalWorker", "cause_of_death", "visible_gpus", "without_interrupts"]
