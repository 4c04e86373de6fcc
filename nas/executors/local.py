"""Evaluation in worker processes of this machine, each replaced when it dies or hangs."""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import time
from collections import Counter, deque
from multiprocessing.connection import wait
from typing import Any

from plugnas.nas.executors.base import ExecutorError
from plugnas.nas.executors.environment import environment, worker_variables
from plugnas.nas.executors.local_worker import (
    VISIBLE,
    LocalWorker,
    cause_of_death,
    visible_gpus,
    without_interrupts,
)
from plugnas.nas.executors.measure import Evaluator
from plugnas.nas.executors.memory import kills_for_memory
from plugnas.nas.executors.patience import Patience
from plugnas.nas.executors.worker import BEGUN, BROKEN, READY, work
from plugnas.nas.ledger.measurement import Measurement, Task, failed, spoils_worker
from plugnas.nas.machine.fingerprint import DATA, difference, fingerprint

FALSE_STARTS = 3
"""Workers in a row that may die before they are ready; then the run ends, or where another worker
is healthy, goes on with it and tries again after a while."""

LONGEST_PAUSE = 60.0

AHEAD = 1
"""Tasks that wait for a worker to become free, so that none waits for the next proposal."""


class LocalExecutor:
    """Runs tasks in up to ``workers`` processes, started as they are needed.

    One more task than there are workers may be submitted: it is begun at once when a worker has
    finished, before the driver has thought about the next. A worker that is killed, runs out of
    memory or gives no result in time is replaced; its task comes back as failed with the reason.
    Each worker ends when this process does. With several GPUs, each worker sees one of them, and
    all have as many workers.

    Args:
        evaluator: factory without arguments, picklable; called once in each worker.
        workers: the most processes at once, at least 1.
        evaluation_timeout: seconds above 0 after which an evaluation counts as hung; None learns
            it from those that are done.
        threads: CPU threads of a worker, at least 1.
        gpus: GPUs that the workers are shared out on; 0 and 1 leave every worker what it sees.

    Raises:
        ExecutorError: a number that is not positive.
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
        self.capacity = workers + AHEAD
        self._most = workers
        self._evaluator = evaluator
        self._patience = Patience(evaluation_timeout)
        self._threads = threads
        self._gpus = visible_gpus(gpus) if gpus > 1 else []
        self._tasks: deque[Task] = deque()
        self._workers: list[LocalWorker] = []
        self._false_starts = 0
        self._start_after = 0.0  # by time.monotonic
        self._not_begun: Counter[tuple[str, int, int]] = Counter()
        self._context = multiprocessing.get_context("spawn")
        self._started = 0
        self._expected = fingerprint()

    @property
    def running(self) -> int:
        """How many evaluations workers are at."""
        return sum(worker.task is not None for worker in self._workers)

    def submit(self, task: Task) -> None:
        """Take a task; an idle worker gets it at once."""
        self._tasks.append(task)
        self._dispatch()

    def recall(self) -> list[Task]:
        """Take back the tasks that no worker was given yet, and return them."""
        waiting = list(self._tasks)
        self._tasks.clear()
        return waiting

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
        while len(self._workers) < self._most and coming < len(self._tasks):
            self._workers.append(self._start())
            coming += 1

    def _start(self) -> LocalWorker:
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
        with without_interrupts(), environment(limits):
            process.start()
        theirs.close()
        worker = LocalWorker(process, ours, gpu, kills=kills_for_memory())
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
                reason = cause_of_death(worker)
            elif worker.spoilt:
                reason = "its memory or device is in doubt"
            else:
                continue
            self._remove(worker, reason, finished)
        return finished

    def _receive(self, worker: LocalWorker, message: Any, finished: list[Measurement]) -> None:
        worker.pulse.hear()
        if isinstance(message, Measurement):
            self._patience.learn(message)
            worker.task = None
            worker.spoilt = spoils_worker(message)
            finished.append(message)
            return
        kind, text = message
        if kind == READY:
            self._welcome(worker, text)
        elif kind == BEGUN:
            worker.since = time.monotonic()
        elif kind == BROKEN:
            raise ExecutorError(
                f"Workers must be able to make the evaluator, but this one could not:\n{text}"
            )

    def _welcome(self, worker: LocalWorker, said: dict[str, str]) -> None:
        """Take a worker in that is ready and has the same code and images as this process."""
        if other := difference(self._expected, said):
            raise ExecutorError(
                f"A worker must measure as this process does, but one that was started now has "
                f"{other}: something was changed since the search began. All that was recorded is "
                "safe: give the same command to go on with what is there now."
            )
        if DATA in said:
            self._expected.setdefault(DATA, said[DATA])
        worker.ready = True
        self._false_starts = 0

    def _remove(self, worker: LocalWorker, reason: str, finished: list[Measurement]) -> None:
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
                    f"Worker processes must start, but {FALSE_STARTS} in a row ended before that "
                    f"(the last: {reason}). A script that starts a search needs "
                    f'`if __name__ == "__main__":` around it.'
                )

    def _may_begin(self, task: Task) -> bool:
        """Whether a task whose worker died before it began is given to another."""
        self._not_begun[task.key] += 1
        return self._not_begun[task.key] < FALSE_STARTS

    def _bury(self, worker: LocalWorker) -> None:
        if worker.process.is_alive():
            worker.process.kill()
        worker.process.join()
        worker.connection.close()

    def _stuck(self, worker: LocalWorker) -> str | None:
        """Return why a living worker is to be replaced; None if it is not."""
        if worker.task is not None and time.monotonic() > _end(worker, self._patience):
            return self._patience.reason(worker.task.rung)
        return worker.pulse.fault(worker.process.pid)

    def _until_overdue(self) -> float:
        ends = min((_end(worker, self._patience) for worker in self._workers), default=math.inf)
        return max(0.0, ends - time.monotonic()) + 0.001


def _end(worker: LocalWorker, patience: Patience) -> float:
    """Return when a worker's evaluation will have taken too long, by time.monotonic."""
    limit = None if worker.task is None else patience.limit(worker.task.rung)
    return math.inf if limit is None or worker.since is None else worker.since + limit


__all__ = ["LocalExecutor"]
