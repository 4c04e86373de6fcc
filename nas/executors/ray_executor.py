"""Evaluation on a cluster: a pool of Ray actors, each replaced when it dies, hangs or is halted.

Where a node returns, its room is filled again at the next look at the cluster.
"""

from __future__ import annotations

import math
import time
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from plugnas.nas.executors.base import ExecutorError
from plugnas.nas.executors.callbacks import of_ray
from plugnas.nas.executors.cluster import LOOK, Cluster, Node
from plugnas.nas.executors.deaths import Death, death_of, is_a, start_fault
from plugnas.nas.executors.measure import Evaluator, ReadsImages
from plugnas.nas.executors.patience import Patience
from plugnas.nas.executors.ray_worker import Worker, put, ready_of
from plugnas.nas.executors.tries import Tries
from plugnas.nas.executors.tune_callbacks import TuneCallbacks
from plugnas.nas.ledger.measurement import Measurement, Task
from plugnas.nas.machine.fingerprint import DATA, difference, fingerprint
from plugnas.nas.machine.log import logger

FALSE_STARTS = 3
"""Workers in a row that may die on a node before they are ready; then it is left alone a while."""

PAUSE = 60.0
"""Seconds for which a node is left alone on which workers do not live."""


class RayExecutor:
    """Runs tasks on a cluster, in actors that are started as they are needed.

    ``address`` is that of a running cluster (``HOST:PORT`` or ``auto``); without one, Ray is
    started on this machine with ``workers`` slots. An evaluation takes ``cpus`` and ``gpus``
    (fractions allowed); as many run as the cluster, or ``workers``, allows. An evaluation that
    kills its actor is tried again ``max_failures`` times before it comes back as failed; one that
    was lost with its node is tried again until it is not. A node with other software or other data
    than this machine is not used, and a warning in the log says so.
    The evaluator goes into the object store once; one that ``ReadsImages`` is asked for its like
    with the data inside, so that the nodes need not see the files.

    Args:
        evaluator: factory without arguments, picklable; called once in each actor.
        address: of a running cluster, ``HOST:PORT`` or ``auto``; None starts Ray on this machine.
        workers: the most evaluations at once; None: as many as the cluster has room for.
        cpus: CPUs of one evaluation, fractions allowed.
        gpus: GPUs of one evaluation, fractions allowed.
        max_failures: how often an evaluation that kills its actor is tried again, 0 or more.
        evaluation_timeout: seconds after which an evaluation counts as hung; None learns it from
            those that are done.
        callbacks: Ray Tune's own, as a job names them, which write files to ``run_dir/ray``.
        run_dir: the run's folder; None: the current one.
        cost: the space's cost, so that callbacks see costs; None: they see values alone.

    Raises:
        ExecutorError: Ray cannot be started or joined, or no node has what an evaluation takes.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        *,
        address: str | None = None,
        workers: int | None = None,
        cpus: float = 1,
        gpus: float = 0,
        max_failures: int = 2,
        evaluation_timeout: float | None = None,
        callbacks: Sequence[str | Mapping[str, Any]] = (),
        run_dir: Path | None = None,
        cost: Any | None = None,
    ) -> None:
        self._evaluator = evaluator
        self._stored: Any = None  # the promise of the evaluator, once it is in the object store
        self._most = math.inf if workers is None else workers
        self._evaluation_timeout = evaluation_timeout
        self._patience = Patience(evaluation_timeout)
        self._tries = Tries(max_failures)
        self._workers: list[Worker] = []
        self._expected = fingerprint()
        self._refused: dict[str, tuple[float, str]] = {}  # node -> until when, and why
        self._false_starts: Counter[str] = Counter()
        self._warned = False
        folder = (run_dir or Path()) / "ray"
        self._callbacks = TuneCallbacks(of_ray(callbacks, folder), folder, cost)
        self._cluster = Cluster(address, workers=workers, needs={"CPU": cpus, "GPU": gpus})
        if not self._cluster.nodes:
            have = self._cluster.told()
            self.close()
            raise ExecutorError(
                f"An evaluation takes {cpus:g} CPUs and {gpus:g} GPUs of one node, but the nodes "
                f"of the cluster have {have} GPUs. Start one that has them, or ask for less."
            )

    @property
    def capacity(self) -> int:
        """How many evaluations the cluster has room for now, at most ``workers``."""
        return max(1, int(min(sum(node.room for node in self._usable()), self._most)))

    @property
    def running(self) -> int:
        """How many evaluations are under way."""
        return sum(worker.pending is not None for worker in self._workers)

    def submit(self, task: Task) -> None:
        """Take a task; an idle worker gets it at once."""
        self._tries.add(task)
        self._dispatch()

    def recall(self) -> list[Task]:
        """Return nothing: no more is submitted than the cluster has room for."""
        return []

    def wait(self, timeout: float) -> list[Measurement]:
        """Return what has finished; wait at most ``timeout`` seconds for the first of it.

        Raises:
            ExecutorError: no node can evaluate, a callback has failed, or the head is lost.
        """
        deadline = time.monotonic() + timeout
        while True:
            self._dispatch()
            left = max(0.0, min(deadline - time.monotonic(), self._tries.until_due(), LOOK))
            finished = self._collect(left)
            if finished or time.monotonic() >= deadline:
                self._dispatch()
                return finished

    def close(self) -> None:
        """Stop all work; Ray itself is stopped only if this executor started or joined it."""
        for worker in self._workers:
            worker.kill()
        self._workers.clear()
        self._callbacks.end()
        self._cluster.leave()

    def _usable(self) -> list[Node]:
        """Return the nodes that are not refused."""
        now = time.monotonic()
        return [n for n in self._cluster.nodes if self._refused.get(n.name, (0.0, ""))[0] <= now]

    def _dispatch(self) -> None:
        """Give waiting tasks to idle workers, and start workers where too few are coming."""
        alive = {node.name for node in self._cluster.nodes}
        for worker in [w for w in self._workers if w.idle and w.node not in alive]:
            self._remove(worker)
        for worker in [w for w in self._workers if w.idle]:
            pending = self._tries.take(alive)
            if pending is None:
                return
            self._callbacks.began(pending.task)
            worker.give(pending, self._patience.limit(pending.task.rung))
        missing = self._tries.due() - sum(w.starting for w in self._workers)
        for _ in range(int(min(missing, self.capacity - len(self._workers)))):
            node = self._place()
            if node is None:
                return
            self._workers.append(Worker(self._cluster, node, self._evaluator_stored()))

    def _place(self) -> str | None:
        """Return the node where the next worker is to start: the one with most room."""
        taken = Counter(worker.node for worker in self._workers)
        starting = Counter(worker.node for worker in self._workers if worker.starting)
        rooms = {
            node.name: min(node.room - taken[node.name], node.free - starting[node.name])
            for node in self._usable()
        }
        best = max(rooms, key=lambda name: rooms[name], default=None)
        return None if best is None or rooms[best] < 1 else best

    def _evaluator_stored(self) -> Any:
        if self._stored is None:
            own = self._evaluator
            try:
                self._stored = put(own.carrying_data() if isinstance(own, ReadsImages) else own)
            except Exception as error:
                raise ExecutorError(f"Ray could not evaluate:\n{traceback.format_exc()}") from error
        return self._stored

    def _collect(self, timeout: float) -> list[Measurement]:
        """Hear from workers, at most ``timeout`` seconds, and replace those that are lost."""
        finished: list[Measurement] = []
        for worker, answer, error in ready_of(self._workers, timeout):
            if error is not None:
                self._lose(worker, error)
            elif worker.starting:
                self._welcome(worker, answer)
            else:
                self._patience.learn(answer)
                worker.finish()
                finished.append(answer)
        for worker in self._workers:
            worker.watch(self._overdue(worker))
        finished += self._tries.given_up()
        for measurement in finished:
            self._callbacks.measured(measurement)
        return finished

    def _overdue(self, worker: Worker) -> str | None:
        """Return that a worker's evaluation takes too long; None if it does not.

        The time that a job asks for is kept by the worker itself, from when it has begun.
        """
        if worker.pending is None or self._evaluation_timeout is not None:
            return None
        rung = worker.pending.task.rung
        limit = self._patience.limit(rung)
        late = limit is not None and worker.seconds > limit
        return self._patience.reason(rung) if late else None

    def _lose(self, worker: Worker, error: Exception) -> None:
        """Replace a worker that has died."""
        self._remove(worker)
        alive = worker.node in {node.name for node in self._cluster.nodes}
        if worker.pending is not None:
            begun_on = worker.node if worker.has_begun() else None
            death = death_of(error, begun_on, worker.seconds, worker.limit)
            if worker.fault is not None:
                death = Death(worker.fault, begun_on, seconds=worker.seconds)
            self._tries.fail(worker.pending, death)
        elif worker.starting and alive and not is_a(error, "ActorUnavailableError"):
            self._false_starts[worker.node] += 1
            fault = start_fault(error)
            if "install" in fault:
                self._refuse(worker.node, fault, math.inf)
            elif self._false_starts[worker.node] >= FALSE_STARTS:
                self._refuse(worker.node, fault, PAUSE)
        worker.kill()

    def _remove(self, worker: Worker) -> None:
        self._workers.remove(worker)

    def _welcome(self, worker: Worker, greeting: Any) -> None:
        """Take a worker in that is ready, or refuse its node."""
        fault = greeting.broken
        if fault is None and (other := difference(self._expected, greeting.fingerprint)):
            fault = f"it has {other}, so that its figures could be others"
        if fault is not None:
            self._remove(worker)
            worker.kill()
            self._refuse(worker.node, fault, math.inf)
            return
        if DATA in greeting.fingerprint:
            self._expected.setdefault(DATA, greeting.fingerprint[DATA])
        worker.take_in(greeting.pid)
        self._false_starts.pop(worker.node, None)
        self._warn()

    def _refuse(self, node: str, fault: str, seconds: float) -> None:
        """Use a node no more; where no other is left, end the run."""
        known = self._refused.get(node)
        self._refused[node] = (time.monotonic() + seconds, fault)
        self._false_starts.pop(node, None)
        self._warned = self._warned and known is not None
        if not self._usable():
            raise ExecutorError(f"Ray could not evaluate: {self._told_refusals()}")
        if any(worker.ready for worker in self._workers):
            self._warn()

    def _warn(self) -> None:
        """Say which nodes are not used, once others work."""
        if self._refused and not self._warned:
            self._warned = True
            logger.warning(self._told_refusals())

    def _told_refusals(self) -> str:
        addresses = {node.name: node.address for node in self._cluster.nodes}
        faults: dict[str, list[str]] = {}
        for node, (_, fault) in self._refused.items():
            faults.setdefault(fault, []).append(addresses.get(node, node[:8]))
        told = [
            f"{'node' if len(nodes) == 1 else 'nodes'} {', '.join(nodes)}: {fault}"
            for fault, nodes in faults.items()
        ]
        return f"a node must be like this machine, but {'; '.join(told)}"


__all__ = ["RayExecutor"]
