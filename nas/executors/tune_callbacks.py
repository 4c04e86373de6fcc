"""Ray Tune's callbacks, told of each evaluation as of a trial of Tune's.

They read of a trial what ``Trial`` has below, by the names that Tune gave it.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plugnas.nas.executors.base import ExecutorError
from plugnas.nas.executors.callbacks import scalars
from plugnas.nas.ledger.measurement import Measurement, Task

LONGEST_TEXT = 6000
"""Characters that MLflow takes in a parameter; it refuses a run with more."""


@dataclass(eq=False)
class Trial:
    """A task as Tune's callbacks know it."""

    name: str
    trial_id: str
    config: dict[str, Any]
    local_path: str
    experiment_dir_name: str
    checkpoint: None = None

    def __str__(self) -> str:
        return self.name

    @property
    def evaluated_params(self) -> dict[str, Any]:
        """The configuration: there is nothing in it to evaluate."""
        return self.config

    def init_local_path(self) -> None:
        """Make the folder that is this trial's own."""
        Path(self.local_path).mkdir(parents=True, exist_ok=True)


class TuneCallbacks:
    """Tells callbacks of the evaluations that begin and of what they came to.

    ``made`` are callbacks that are set up; ``folder`` is where each trial gets one; ``cost`` lets
    them see the costs.
    """

    def __init__(self, made: list[Any], folder: Path, cost: Any | None) -> None:
        self._made = made
        self._folder = folder
        self._cost = cost
        self._session = uuid.uuid4().hex[:8]
        self._trials: dict[tuple[str, int, int], Trial] = {}

    def began(self, task: Task | Measurement) -> None:
        """Tell of an evaluation that begins, for the first time."""
        if self._made and task.key not in self._trials:
            trial = self._trials[task.key] = self._trial(task)
            self._tell("on_trial_start", trial)

    def measured(self, measurement: Measurement) -> None:
        """Tell of what an evaluation came to."""
        if not self._made:
            return
        self.began(measurement)
        trial = self._trials.pop(measurement.key)
        costs = {} if self._cost is None else self._cost.cost(measurement.architecture)
        result = {
            "training_iteration": 1,
            "trial_id": trial.trial_id,
            "done": True,
            **scalars(measurement),
            **costs,
        }
        self._tell("on_trial_result", trial, result=result)
        self._tell("on_trial_complete", trial)

    def end(self) -> None:
        """Let them write, or send, what they were told; what did not end has failed."""
        for trial in self._trials.values():
            self._tell("on_trial_error", trial)
        self._trials.clear()
        for callback in self._made:
            callback.on_experiment_end(trials=[])
        self._made = []

    def _trial(self, task: Task | Measurement) -> Trial:
        name = f"{task.number}-{task.rung}-{task.seed}-{task.attempt}"
        config = {
            "task": task.architecture.id,
            "number": task.number,
            "rung": task.rung,
            "seed": task.seed,
            "architecture": task.architecture.json()[:LONGEST_TEXT],
        }
        unique = f"{self._session}_{name}"
        return Trial(name, unique, config, str(self._folder / name), self._folder.parent.name)

    def _tell(self, what: str, trial: Trial, **more: Any) -> None:
        for callback in self._made:
            try:
                getattr(callback, what)(iteration=0, trials=[trial], trial=trial, **more)
            except Exception as error:
                self._made = []
                name = type(callback).__name__
                raise ExecutorError(
                    f"Callbacks must receive every measurement, but {name} failed: {error}. All "
                    "that was recorded is safe."
                ) from error


__all__ = ["Trial", "TuneCallbacks"]
