"""Evaluation on a cluster, through Ray Tune. The only file that imports Ray.

Tune runs in a thread and asks its searcher for configurations; the searcher hands it the tasks
that the driver submits, so the study alone decides what runs and the ledger alone remembers it.
Tune's own experiment state is not written. Values reach the study as measurements: they pass
no Tune metric, so NaN is no trouble there, and nothing that was cut short counts as complete.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import shutil
import sys
import tempfile
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nas.callbacks import CallbackError, parse, scalars
from nas.evaluation import OUT_OF_MEMORY, Evaluator, failed, measure, spoils_worker
from nas.executors.base import ExecutorError
from nas.records import Measurement, Task

try:
    import ray
    from ray import tune
    from ray.tune.search import Searcher
except ImportError as error:
    raise ExecutorError(
        f"The ray executor needs Ray Tune, which is not installed ({error}): "
        f"pip install 'ray[tune]', or use the local executor."
    ) from error

THINKING = 5.0
"""Seconds that Tune waits for the driver to choose its next task before it looks elsewhere."""

_QUIET = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # files per trial that nobody asked for
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",  # the ledger is the record
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
}
_THREADS = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class _Evaluation(tune.Trainable):
    """A Ray actor that evaluates task after task; the evaluator is made once in it."""

    def setup(
        self, config: dict[str, Any], evaluator: Any = None, timeout_s: float | None = None
    ) -> None:
        self.task: Task = config["task"]
        self.timeout_s = timeout_s
        self.broken: str | None = None
        try:
            self.evaluate = evaluator()
        except Exception:  # noqa: BLE001 - whatever it is, the driver must hear of it
            self.broken = traceback.format_exc()
        torch: Any = sys.modules.get("torch")
        if torch is not None:
            torch.set_num_threads(1)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.task = new_config["task"]
        return True

    def step(self) -> dict[str, Any]:
        if self.broken is not None:
            return {"broken": self.broken, "done": True}
        worker = f"ray {os.uname().nodename} {os.getpid()}"
        try:
            measurement = measure(self.task, self.evaluate, worker=worker, on_begin=self._watch)
        finally:
            faulthandler.cancel_dump_traceback_later()
        if spoils_worker(measurement):
            raise RuntimeError(measurement.reason)  # Tune replaces the actor and tries again
        return {"measurement": measurement, "done": True, **scalars(measurement)}

    def _watch(self) -> None:
        """Let this process end when the evaluation hangs, even where it never yields the GIL."""
        if self.timeout_s is not None:
            faulthandler.dump_traceback_later(self.timeout_s, exit=True)


class _Bridge:
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

    def __reduce__(self) -> tuple[type[_Bridge], tuple[()]]:
        """Tune pickles what it is given, to restore it; there is nothing of ours to restore."""
        return (_Bridge, ())

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


class _Searcher(Searcher):
    """Suggests what the study has asked for. Has no state of its own to save."""

    def __init__(self, bridge: _Bridge) -> None:
        super().__init__()
        self._bridge = bridge

    def suggest(self, trial_id: str) -> Any:
        bridge = self._bridge
        with bridge.change:
            bridge.change.wait_for(bridge.settled, timeout=THINKING)
            if bridge.closed:
                return Searcher.FINISHED
            if not bridge.tasks:
                return None
            task = bridge.tasks.popleft()
            bridge.trials[trial_id] = task
        place = {"number": task.number, "rung": task.rung, "seed": task.seed}
        return {"task": task, **place, "architecture": task.architecture.json()}

    def on_trial_complete(
        self,
        trial_id: str,
        result: dict[str, Any] | None = None,
        error: bool = False,  # noqa: FBT001, FBT002 - Ray's signature
    ) -> None:
        """Nothing: measurements come through the callback, which also knows an error's text."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the ledger is the record."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore."""


class _Collector(tune.Callback):
    """Takes measurements out of Tune's results, and failures out of its errors."""

    def __init__(
        self, bridge: _Bridge, timeout_s: float | None, tries: int, cost: Any | None
    ) -> None:
        self._bridge = bridge
        self._timeout_s = timeout_s
        self._tries = tries
        self._cost = cost

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        with self._bridge.change:
            self._bridge.since[trial.trial_id] = time.monotonic()
            actor = trial.temporary_state.ray_actor
            self._bridge.actors[actor._actor_id.hex()] = actor

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        if "broken" in result:
            self._bridge.fail(result["broken"])
            return
        measurement = result.pop("measurement")
        if self._cost is not None:
            result.update(self._cost.cost(measurement.architecture))
        self._bridge.finish(trial.trial_id, measurement)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        task = self._bridge.trials.get(trial.trial_id)
        if task is None:
            return
        seconds = time.monotonic() - self._bridge.since.get(trial.trial_id, time.monotonic())
        error = trial.get_pickled_error() or trial.get_error()
        reason = _reason(error)
        if self._timeout_s is not None and seconds >= self._timeout_s:
            reason = f"hung: no result within {self._timeout_s:g} s"
        measurement = failed(task, reason, seconds=seconds, worker="ray")
        measurement.extra["tries"] = self._tries  # type: ignore[index]
        self._bridge.finish(trial.trial_id, measurement)


class _StopWhenClosed(tune.Stopper):
    def __init__(self, bridge: _Bridge) -> None:
        self._bridge = bridge

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self._bridge.closed


class RayExecutor:
    """Runs tasks as Ray Tune trials on a cluster, in reused actors.

    ``address`` is that of a running cluster (``HOST:PORT`` or ``auto``); without one, Ray is
    started on this machine with ``workers`` slots. An evaluation takes ``cpus`` and ``gpus``
    (fractions allowed); as many run as the cluster, or ``workers``, allows. An evaluation whose
    actor dies is tried again ``max_failures`` times by Tune before it comes back as failed.
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
        timeout_s: float | None = None,
        callbacks: Sequence[str | Mapping[str, Any]] = (),
        run_dir: Path | None = None,
        cost: Any | None = None,
    ) -> None:
        self._bridge = _Bridge()
        self._resources = {"cpu": cpus, "gpu": gpus}
        self._workers = workers
        self._folder = Path(tempfile.mkdtemp(prefix="plugnas-ray-"))
        self._storage = run_dir / "ray" if run_dir is not None and callbacks else self._folder
        self._thread: threading.Thread | None = None
        self._in_flight = 0
        collector = _Collector(self._bridge, timeout_s, max_failures + 1, cost)
        self._callbacks = [collector, *_ray_callbacks(callbacks)]
        self._owned = _connect(address, workers, cpus, gpus)
        self._max_failures = max_failures
        if hasattr(evaluator, "carrying_data"):
            evaluator = evaluator.carrying_data()
        self._trainable = tune.with_resources(
            tune.with_parameters(_Evaluation, evaluator=evaluator, timeout_s=timeout_s),
            self._resources,
        )

    @property
    def capacity(self) -> int:
        """How many evaluations the cluster has room for now, at most ``workers``."""
        have = ray.cluster_resources()
        needs = {"CPU": self._resources["cpu"], "GPU": self._resources["gpu"]}
        room = min((have.get(n, 0.0) / need for n, need in needs.items() if need > 0), default=1)
        slots = max(1, int(room + 1e-9))
        return slots if self._workers is None else min(slots, self._workers)

    def submit(self, task: Task) -> None:
        """Take a task; Tune fetches it at its next step."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._tune, name="ray-tune", daemon=True)
            self._thread.start()
        with self._bridge.change:
            self._bridge.tasks.append(task)
            self._bridge.change.notify_all()
        self._in_flight += 1

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
        self._in_flight -= len(finished)
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
            for actor in bridge.actors.values():  # Tune would let them finish, and wait 5 s more
                ray.kill(actor)
            self._thread.join(30.0)
            self._thread = None
        if self._owned:
            ray.shutdown()
            self._owned = False
        shutil.rmtree(self._folder, ignore_errors=True)

    def _tune(self) -> None:
        """Run Tune until the executor is closed; the body of the thread."""
        logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
        try:
            # as many actors may start at once as there is room for, not one after another
            with _environment({**_QUIET, "TUNE_MAX_PENDING_TRIALS_PG": str(self.capacity)}):
                tune.Tuner(
                    self._trainable,
                    tune_config=tune.TuneConfig(
                        search_alg=_Searcher(self._bridge),
                        num_samples=-1,
                        reuse_actors=True,
                        trial_name_creator=_name,
                        trial_dirname_creator=_name,
                    ),
                    run_config=tune.RunConfig(
                        name=time.strftime("%Y-%m-%d_%H-%M-%S"),
                        storage_path=str(self._storage.resolve()),
                        checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                        failure_config=tune.FailureConfig(max_failures=self._max_failures),
                        callbacks=self._callbacks,
                        stop=_StopWhenClosed(self._bridge),
                        verbose=0,
                    ),
                ).fit()
        except BaseException:  # noqa: BLE001 - a thread's error would be lost
            self._bridge.fail(traceback.format_exc())
        else:
            self._bridge.fail("Ray Tune ended before the search did.")


def _name(trial: Any) -> str:
    task = trial.config["task"]
    return f"{task.number}-{task.rung}-{task.seed}-{task.attempt}"


def _connect(address: str | None, workers: int | None, cpus: float, gpus: float) -> bool:
    """Connect to Ray, or start it; return whether this process has to end it."""
    if ray.is_initialized():
        return False
    options: dict[str, Any] = {"address": address}
    if address is None:
        options = {"address": "local", "include_dashboard": False}
        if workers is not None:
            options["num_cpus"] = max(1, round(workers * cpus + 0.499))
    try:
        ray.init(
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={"env_vars": _THREADS},
            **options,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ExecutorError(
            f"The ray executor joins a running cluster, but {address} is none: {error}. "
            f"Start one with `ray start --head`, or leave the address out."
        ) from error
    return True


def _reason(error: Any) -> str:
    """Return Tune's error in one line: what became of the actor."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = (lines[-1] if lines else "no error was told")[:300]
    if OUT_OF_MEMORY in text:
        return f"{OUT_OF_MEMORY}: {text.rpartition(OUT_OF_MEMORY + ': ')[2]}"
    if type(error).__name__ == "OutOfMemoryError":
        return f"{OUT_OF_MEMORY}: Ray killed the worker"
    return f"killed: {type(error).__name__}: {(lines or [''])[0][:300]}"


def _ray_callbacks(callbacks: Sequence[str | Mapping[str, Any]]) -> list[tune.Callback]:
    made: list[tune.Callback] = []
    for name, options in parse(callbacks):
        try:
            made.append(_ray_callback(name)(**options))
        except ImportError as error:
            raise CallbackError(
                f"The callback {name} needs its library: pip install {error.name or name}"
            ) from error
        except TypeError as error:
            raise CallbackError(f"The callback {name} has no such option: {error}.") from error
    return made


def _ray_callback(name: str) -> Any:
    """Return Ray's callback class, after its library was imported: Ray would do so too late."""
    if name == "tensorboard":
        from ray.tune.logger import TBXLoggerCallback

        return TBXLoggerCallback
    if name == "mlflow":
        import mlflow  # noqa: F401
        from ray.air.integrations.mlflow import MLflowLoggerCallback

        return MLflowLoggerCallback
    import wandb  # noqa: F401
    from ray.air.integrations.wandb import WandbLoggerCallback

    return WandbLoggerCallback


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


__all__ = ["RayExecutor"]
