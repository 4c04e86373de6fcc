"""Evaluation in worker processes of this machine, each replaced when it dies or hangs."""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import signal
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from plugnas.nas.executors.base import ExecutorError
from plugnas.nas.executors.environment import environment, worker_variables
from plugnas.nas.executors.measure import Evaluator
from plugnas.nas.executors.memory import kills_for_memory
from plugnas.nas.executors.patience import Patience, Pulse
from plugnas.nas.executors.worker import BEGUN, BROKEN, READY, work
from plugnas.nas.ledger.measurement import OUT_OF_MEMORY, Measurement, Task, failed, spoils_worker

FALSE_STARTS = 3
"""Workers in a row that may die before they are ready; then the run ends, or where another worker
is healthy, goes on with it and tries again after a while."""

LONGEST_PAUSE = 60.0

VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass
class _Worker:
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


class LocalExecutor:
    """Runs tasks in up to ``workers`` processes, started as they are needed.

    ``evaluator`` is called once in each worker. A worker that is killed, runs out of memory or
    gives no result within ``evaluation_timeout`` seconds is replaced; its task comes back as
    failed with the reason. Each worker has ``threads`` threads and ends when this process does.
    With several ``gpus``, each worker sees one of them, and all have as many workers.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        *,
        workers: int = 1,
        evaluation_timeout: float | None = None,
        threads: int = 1,
        gpus: int = 0,
    ) -> None:
        if (
            workers < 1
            or threads < 1
            or (evaluation_timeout is not None and evaluation_timeout <= 0)
        ):
            raise ExecutorError(
                f"workers, threads and evaluation_timeout are positive, but got workers={workers}, "
                f"threads={threads}, evaluation_timeout={evaluation_timeout}."
            )
        self.capacity = workers
        self._evaluator = evaluator
        self._patience = Patience(evaluation_timeout)
        self._threads = threads
        self._gpus = _visible(gpus) if gpus > 1 else []
        self._tasks: deque[Task] = deque()
        self._workers: list[_Worker] = []
        self._false_starts = 0
        self._start_after = 0.0  # by time.monotonic
        self._not_begun: Counter[tuple[str, int, int]] = Counter()
        self._context = multiprocessing.get_context("spawn")
        self._started = 0

    def submit(self, task: Task) -> None:
        """Take a task; an idle worker gets it at once."""
        self._tasks.append(task)
        self._dispatch()

    def wait(self, timeout: float) -> list[Measurement]:
        """Return what has finished; wait at most ``timeout`` seconds for the first of them.

        Raises ExecutorError where no worker can be brought up.
        """
        deadline = time.monotonic() + timeout
        while True:
            finished = self._collect()
            self._dispatch()
            left = deadline - time.monotonic()
            if finished or left <= 0:
                return finished
            handles: list[Any] = [worker.connection for worker in self._workers]
            handles += [worker.process.sentinel for worker in self._workers]
            if not handles:
                return []
            wait(handles, min(left, self._until_overdue()))

    def close(self) -> None:
        """End all workers; those that evaluate are killed."""
        self._tasks.clear()
        for worker in self._workers:
            if worker.idle:
                with contextlib.suppress(OSError):
                    worker.connection.send(None)
            else:
                worker.process.kill()
        for worker in self._workers:
            worker.process.join(2.0)
            self._bury(worker)
        self._workers.clear()

    def _dispatch(self) -> None:
        """Give waiting tasks to idle workers, and start workers where too few are coming."""
        for worker in self._workers:
            if worker.idle and self._tasks:
                try:
                    worker.connection.send(self._tasks[0])
                except OSError:
                    continue  # it has died idle; _collect will find out
                worker.task = self._tasks.popleft()
                worker.since = None
                worker.kills = kills_for_memory()
        coming = sum(1 for worker in self._workers if not worker.ready)
        if time.monotonic() < self._start_after:
            return
        while len(self._workers) < self.capacity and coming < len(self._tasks):
            self._workers.append(self._start())
            coming += 1

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        self._started += 1
        process = self._context.Process(
            target=work,
            args=(theirs, f"local-{self._started}", self._threads),
            name=f"nas-worker-{self._started}",
            daemon=True,
        )
        limits = worker_variables(self._threads)
        taken = Counter(worker.gpu for worker in self._workers)
        gpu = min(self._gpus, key=lambda name: taken[name], default=None)
        if gpu is not None:
            limits[VISIBLE] = gpu
        with _without_interrupts(), environment(limits):
            process.start()
        theirs.close()
        worker = _Worker(process, ours, gpu, kills=kills_for_memory())
        try:
            ours.send(self._evaluator)
        except OSError:
            return worker  # it has died; _collect will find out
        except Exception as error:
            self._bury(worker)
            raise ExecutorError(
                f"Worker processes need an evaluation that pickles, but this one does not "
                f"({error}). Define it at the top level of a module, or use the serial executor."
            ) from error
        return worker

    def _collect(self) -> list[Measurement]:
        """Read all answers, and replace the dead and the overdue."""
        finished: list[Measurement] = []
        for worker in list(self._workers):
            dead = not worker.process.is_alive()
            try:
                while worker.connection.poll():
                    self._receive(worker, worker.connection.recv(), finished)
            except (EOFError, OSError):
                dead = True
            if not dead and (stuck := self._stuck(worker)) is not None:
                reason = stuck
            elif dead:
                worker.process.join(2.0)
                reason = _cause(worker)
            elif worker.spoilt:
                reason = "its memory or device is in doubt"
            else:
                continue
            self._remove(worker, reason, finished)
        return finished

    def _receive(self, worker: _Worker, message: Any, finished: list[Measurement]) -> None:
        worker.pulse.hear()
        if isinstance(message, Measurement):
            self._patience.learn(message)
            worker.task = None
            worker.spoilt = spoils_worker(message)
            finished.append(message)
            return
        kind, text = message
        if kind == READY:
            worker.ready = True
            self._false_starts = 0
        elif kind == BEGUN:
            worker.since = time.monotonic()
        elif kind == BROKEN:
            raise ExecutorError(
                f"Workers must be able to make the evaluator, but this one could not:\n{text}"
            )

    def _remove(self, worker: _Worker, reason: str, finished: list[Measurement]) -> None:
        self._workers.remove(worker)
        self._bury(worker)
        if worker.task is not None and worker.since is None and self._may_begin(worker.task):
            self._tasks.appendleft(worker.task)  # its worker died before it: not its doing
        elif worker.task is not None:
            seconds = 0.0 if worker.since is None else time.monotonic() - worker.since
            name = f"{worker.process.name} {os.uname().nodename} {worker.process.pid}"
            finished.append(failed(worker.task, reason, seconds=seconds, worker=name))
        elif not worker.ready:
            self._false_starts += 1
            if self._false_starts < FALSE_STARTS:
                return
            pause = 2.0 ** (self._false_starts - FALSE_STARTS)
            self._start_after = time.monotonic() + min(pause, LONGEST_PAUSE)
            if not any(other.ready for other in self._workers):
                raise ExecutorError(
                    f"Workers must live until they are ready, but {FALSE_STARTS} in a row did not "
                    f"(the last: {reason}). A script that starts a search needs "
                    f'`if __name__ == "__main__":` round it.'
                )

    def _may_begin(self, task: Task) -> bool:
        """Whether a task whose worker died before it began is given to another."""
        self._not_begun[task.key] += 1
        return self._not_begun[task.key] < FALSE_STARTS

    def _bury(self, worker: _Worker) -> None:
        if worker.process.is_alive():
            worker.process.kill()
        worker.process.join()
        worker.connection.close()

    def _stuck(self, worker: _Worker) -> str | None:
        """Return why a living worker is to be replaced; None if it is not."""
        if worker.task is not None and time.monotonic() > _end(worker, self._patience):
            return self._patience.reason(worker.task.rung)
        return worker.pulse.fault(worker.process.pid)

    def _until_overdue(self) -> float:
        ends = min((_end(worker, self._patience) for worker in self._workers), default=math.inf)
        return max(0.0, ends - time.monotonic()) + 0.001


def _end(worker: _Worker, patience: Patience) -> float:
    """Return when a worker's evaluation will have taken too long, by time.monotonic."""
    limit = None if worker.task is None else patience.limit(worker.task.rung)
    return math.inf if limit is None or worker.since is None else worker.since + limit


def _visible(gpus: int) -> list[str]:
    """Return the names of this process's GPUs, as the variable has them that hides the others."""
    named = [name for name in os.environ.get(VISIBLE, "").split(",") if name]
    return named[:gpus] or [str(number) for number in range(gpus)]


def _cause(worker: _Worker) -> str:
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
def _without_interrupts() -> Iterator[None]:
    """Start children that no Ctrl-C reaches: it is for the driver, which then ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


__all__ = ["LocalExecutor"]
