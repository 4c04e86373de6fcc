"""What of the ray executor is Ray Tune's: actor, searcher, callback. The only file with Ray in it.

Tune asks the searcher for configurations, and the searcher hands it the tasks that the driver
submits: the study alone decides what runs, the ledger alone remembers it, and Tune's own state is
not kept. Values reach the study as measurements and pass no Tune metric, so NaN is no trouble, and
nothing that was cut short counts as complete. A trial that dies ends for Tune; whether its task is
tried again, in a trial of its own, is for the bridge to say.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from plugnas.nas.executors.base import ExecutorError
from plugnas.nas.executors.bridge import Bridge, Parcel, PendingTask
from plugnas.nas.executors.callbacks import scalars
from plugnas.nas.executors.deaths import Death, death_of, error_of, is_of_ray, reason_of
from plugnas.nas.executors.environment import environment, worker_variables
from plugnas.nas.executors.measure import Evaluator, measure
from plugnas.nas.ledger.measurement import Task, spoils_worker

try:
    import ray
    from ray import tune
    from ray.exceptions import OutOfMemoryError, RayError
    from ray.tune.search import Searcher
except ImportError as error:
    raise ExecutorError(
        f"The ray executor needs Ray Tune, which is not installed ({error}): "
        f"pip install 'ray[tune]', or use the local executor."
    ) from error

THINKING = 5.0
"""Seconds that Tune waits for the driver to choose its next task before it looks elsewhere."""

FRUITLESS = 3
"""Runs of Tune in a row that may break off without a measurement before the search ends."""

_QUIET = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # files per trial that nobody asked for
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",  # the ledger is the record
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
}


class Evaluation(tune.Trainable):
    """A Ray actor that evaluates task after task; the evaluator is made once in it."""

    def setup(
        self, config: dict[str, Any], evaluator: Any = None, evaluation_timeout: float | None = None
    ) -> None:
        self.task: Task = config["task"].task
        self.evaluation_timeout = evaluation_timeout
        self.broken: str | None = None
        try:
            self.evaluate = evaluator()
        except Exception:  # noqa: BLE001 - whatever it is, the driver must hear of it
            self.broken = traceback.format_exc()
        torch: Any = sys.modules.get("torch")
        if torch is not None:
            torch.set_num_threads(1)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.task = new_config["task"].task
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
            raise RuntimeError(measurement.reason)  # Tune replaces the actor
        return {"measurement": measurement, "done": True, **scalars(measurement)}

    def node(self) -> str:
        """Return the id of the node that this actor is on."""
        return str(ray.get_runtime_context().get_node_id())

    def _watch(self) -> None:
        """Let this process end when the evaluation hangs, even where it never yields the GIL."""
        if self.evaluation_timeout is not None:
            faulthandler.dump_traceback_later(self.evaluation_timeout, exit=True)


class TaskSearcher(Searcher):
    """Suggests what the study has asked for. Has no state of its own to save."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge

    def suggest(self, trial_id: str) -> Any:
        bridge = self._bridge
        with bridge.change:
            bridge.change.wait_for(bridge.settled, timeout=THINKING)
            if bridge.closed:
                return Searcher.FINISHED
        pending = bridge.take(trial_id, _nodes_alive)
        return None if pending is None else Parcel(pending.task).described()

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


class Collector(tune.Callback):
    """Takes measurements out of Tune's results, and the causes of deaths out of its errors."""

    def __init__(self, bridge: Bridge, evaluation_timeout: float | None, cost: Any | None) -> None:
        self._bridge = bridge
        self._timeout_s = evaluation_timeout
        self._cost = cost

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        with self._bridge.change:
            pending = self._bridge.trials[trial.trial_id]
            pending.since = time.monotonic()
            pending.actor = trial.temporary_state.ray_actor
            pending.place = pending.actor.node.remote()
            self._bridge.false_starts = 0

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        if "broken" in result:
            self._bridge.break_off(result["broken"])
            return
        measurement = result.pop("measurement")
        if self._cost is not None:
            result.update(self._cost.cost(measurement.architecture))
        self._bridge.finish(trial.trial_id, measurement)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        pending = self._bridge.trials.get(trial.trial_id)
        if pending is not None:
            node = _node_of(pending)
            seconds = 0.0 if node is None else time.monotonic() - pending.since
            death = death_of(error_of(trial), node, seconds, self._timeout_s)
            self._bridge.fail(trial.trial_id, death)


def _node_of(pending: PendingTask) -> str | None:
    """Return the id of the node on which a task has begun; None if its actor did not say."""
    try:
        return None if pending.place is None else str(ray.get(pending.place, timeout=0))
    except RayError:
        return None


def _nodes_alive() -> set[str]:
    return {node["NodeID"] for node in ray.nodes() if node["Alive"]}


class StopWhenClosed(tune.Stopper):
    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self._bridge.closed


def _name(trial: Any) -> str:
    task = trial.config["task"].task
    return f"{task.number}-{task.rung}-{task.seed}-{task.attempt}"


def connect(address: str | None, workers: int | None, cpus: float, gpus: float) -> bool:
    """Connect to Ray, or start it; return whether this process has to end it."""
    if ray.is_initialized():
        return False
    options: dict[str, Any] = {"address": address}
    if address is not None:
        _require_listener(address)
    else:
        options = {"address": "local", "include_dashboard": False}
        if workers is not None:
            options["num_cpus"] = max(1, round(workers * cpus + 0.499))
    try:
        ray.init(
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={"env_vars": worker_variables()},
            **options,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise _no_cluster(address, error) from error
    return True


def _require_listener(address: str) -> None:
    """Refuse an address where nothing listens: Ray would try it for minutes."""
    if address in ("auto", "local"):
        return
    host, _, port = address.rpartition("://")[2].rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10.0).close()
    except (OSError, ValueError, OverflowError) as error:
        raise _no_cluster(address, error) from error


def _no_cluster(address: str | None, error: Exception) -> ExecutorError:
    return ExecutorError(
        f"The ray executor joins a running cluster, but {address} is none: {error}. "
        f"Start one with `ray start --head`, or leave the address out."
    )


def run_tune(
    bridge: Bridge,
    evaluator: Evaluator,
    *,
    resources: Mapping[str, float],
    at_once: int,
    evaluation_timeout: float | None,
    callbacks: Callable[[], list[tune.Callback]],
    storage: Path,
) -> None:
    """Run Tune until the bridge is closed; the body of the executor's thread.

    Tune breaks off where an actor is killed for memory by Ray, or its result is lost with its
    node: then it is run again, and what it had under way is too.
    """
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    fruitless = 0
    try:
        trainable = tune.with_parameters(
            Evaluation, evaluator=evaluator, evaluation_timeout=evaluation_timeout
        )
        trainable = tune.with_resources(trainable, dict(resources))
        while not bridge.closed:
            before = bridge.finished
            try:
                _fit(bridge, trainable, at_once, callbacks(), storage)
            except Exception as error:
                fruitless = fruitless + 1 if bridge.finished == before else 0
                if not is_of_ray(error) or fruitless >= FRUITLESS:
                    raise
                _take_back(bridge)
            else:
                bridge.break_off("Ray Tune ended before the search did.")
                return
    except BaseException:  # noqa: BLE001 - a thread's error would be lost
        bridge.break_off(traceback.format_exc())


def _fit(
    bridge: Bridge, trainable: Any, at_once: int, callbacks: list[tune.Callback], storage: Path
) -> None:
    # as many actors may start at once as there is room for, not one after another
    with environment({**_QUIET, "TUNE_MAX_PENDING_TRIALS_PG": str(at_once)}):
        tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=TaskSearcher(bridge),
                num_samples=-1,
                reuse_actors=True,
                trial_name_creator=_name,
                trial_dirname_creator=_name,
            ),
            run_config=tune.RunConfig(
                name=time.strftime("%Y-%m-%d_%H-%M-%S"),
                storage_path=str(storage.resolve()),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                failure_config=tune.FailureConfig(max_failures=0),  # the bridge tries again
                callbacks=callbacks,
                stop=StopWhenClosed(bridge),
                verbose=0,
            ),
        ).fit()


def _take_back(bridge: Bridge) -> None:
    """Let all that Tune had under way when it broke off be run again; who broke it, has died."""
    for trial, pending in list(bridge.trials.items()):
        death = None
        if pending.actor is not None:
            try:
                ray.get(pending.actor.node.remote(), timeout=5.0)
            except OutOfMemoryError as error:
                death = Death(reason_of(error), raised=True)
            except RayError:  # ended with Tune
                pass
        bridge.fail(trial, death)


__all__ = ["Collector", "connect", "ray", "run_tune"]
