"""Evaluation on a cluster, through Ray Tune, which runs in a thread beside the driver's."""

from __future__ import annotations

import shutil
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from plugnas.nas.executors import ray_executor
from plugnas.nas.executors.base import ExecutorError
from plugnas.nas.executors.bridge import Bridge
from plugnas.nas.executors.callbacks import of_ray
from plugnas.nas.executors.measure import Evaluator
from plugnas.nas.ledger.measurement import Measurement, Task

WRITING = 300.0
"""Seconds that callbacks get at the end to write, or to send, what they were told."""


class RayExecutor:
    """Runs tasks as Ray Tune trials on a cluster, in reused actors.

    ``address`` is that of a running cluster (``HOST:PORT`` or ``auto``); without one, Ray is
    started on this machine with ``workers`` slots. An evaluation takes ``cpus`` and ``gpus``
    (fractions allowed); as many run as the cluster, or ``workers``, allows. An evaluation that
    kills its actor is tried again ``max_failures`` times before it comes back as failed; one that
    was lost with its node is tried again until it is not.
    ``evaluator`` goes into the object store once; one that has ``carrying_data()`` is asked for
    its like with the data inside, so that the nodes need not see the files.
    ``callbacks`` are those of ``nas.callbacks``: Ray's own, which write what they write in files
    to ``run_dir/ray``; ``cost`` lets them see the costs.
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
        self._bridge = Bridge(max_failures)
        self._callbacks = tuple(callbacks)
        self._cost = cost
        self._evaluator = evaluator
        self._timeout_s = evaluation_timeout
        self._resources = {"cpu": cpus, "gpu": gpus}
        self._workers = workers
        self._folder = Path(tempfile.mkdtemp(prefix="plugnas-ray-"))
        self._storage = run_dir / "ray" if run_dir is not None and callbacks else self._folder
        of_ray(callbacks, self._storage)  # what is wrong is said at once
        self._thread: threading.Thread | None = None
        self._owned = ray_executor.connect(address, workers, cpus, gpus)
        self._check_room()

    def _check_room(self) -> None:
        """Raise ExecutorError if an evaluation fits no node: it would wait for one for ever."""
        needs = {"CPU": self._resources["cpu"], "GPU": self._resources["gpu"]}
        nodes = [node["Resources"] for node in ray_executor.ray.nodes() if node["Alive"]]
        if any(all(has.get(n, 0.0) >= need for n, need in needs.items()) for has in nodes):
            return
        self.close()
        have = ", ".join(f"{has.get('CPU', 0):g} CPUs and {has.get('GPU', 0):g}" for has in nodes)
        raise ExecutorError(
            f"An evaluation takes {needs['CPU']:g} CPUs and {needs['GPU']:g} GPUs of one node, but "
            f"the nodes of the cluster have {have} GPUs. Start one that has them, or ask for less."
        )

    @property
    def capacity(self) -> int:
        """How many evaluations the cluster has room for now, at most ``workers``."""
        have = ray_executor.ray.cluster_resources()
        needs = {"CPU": self._resources["cpu"], "GPU": self._resources["gpu"]}
        room = min((have.get(n, 0.0) / need for n, need in needs.items() if need > 0), default=1)
        slots = max(1, int(room + 1e-9))
        return slots if self._workers is None else min(slots, self._workers)

    def submit(self, task: Task) -> None:
        """Take a task; Tune fetches it at its next step."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="ray-tune", daemon=True)
            self._thread.start()
        self._bridge.submit(task)

    def wait(self, timeout: float) -> list[Measurement]:
        """Return what has finished; wait at most ``timeout`` seconds for the first of it.

        Raises ExecutorError when Tune or the evaluator's making has failed.
        """
        bridge = self._bridge
        with bridge.change:
            bridge.driver_waits = True
            bridge.change.notify_all()
            bridge.change.wait_for(lambda: bridge.results or bridge.broken, timeout)
            bridge.driver_waits = False
            finished = list(bridge.results)
            bridge.results.clear()
        if not finished and bridge.broken is not None:
            raise ExecutorError(f"Ray could not evaluate:\n{bridge.broken}")
        return finished

    def close(self) -> None:
        """Stop all work; Ray itself is stopped only if this executor started or joined it."""
        bridge = self._bridge
        with bridge.change:
            bridge.closed = True
            bridge.change.notify_all()
        if self._thread is not None:
            self._thread.join(0.5)
            for pending in list(
                bridge.trials.values()
            ):  # Tune would let them finish, and wait more
                if pending.actor is not None:
                    ray_executor.ray.kill(pending.actor)
            self._thread.join(WRITING if self._callbacks else 30.0)
            self._thread = None
        if self._owned:
            ray_executor.ray.shutdown()
            self._owned = False
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self) -> None:
        carrying = getattr(self._evaluator, "carrying_data", None)
        try:
            evaluator = self._evaluator if carrying is None else carrying()
        except Exception:  # noqa: BLE001 - a thread's error would be lost
            self._bridge.break_off(traceback.format_exc())
            return
        ray_executor.run_tune(
            self._bridge,
            evaluator,
            resources=self._resources,
            at_once=self.capacity,
            evaluation_timeout=self._timeout_s,
            callbacks=self._make_callbacks,
            storage=self._storage,
        )

    def _make_callbacks(self) -> list[Any]:
        collector = ray_executor.Collector(self._bridge, self._timeout_s, self._cost)
        return [collector, *of_ray(self._callbacks, self._storage)]


__all__ = ["RayExecutor"]
