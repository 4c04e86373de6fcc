"""Where objectives meet the task.

A job file may name any metric as an objective; whether there is such a metric only the task knows.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from plugnas.modules import did_you_mean
from plugnas.nas import tasks
from plugnas.nas.job.config import COSTS, Job
from plugnas.nas.proxy.int8 import SUFFIX
from plugnas.space.typed import ConfigError


def with_objectives(job: Job, task: tasks.Task) -> Job:
    """Return the job, with the task's first metric and FLOPs as objectives where it names none."""
    if job.objectives:
        return job
    return msgspec.structs.replace(job, objectives=tasks.default_objectives(task))


def with_masks(job: Job, task: tasks.Task) -> Job:
    """Return the job with its images read with masks, where its task needs them."""
    data = {"source": job.data} if isinstance(job.data, str) else job.data
    if task.labels != "mask" or data is None or data.get("masks") is not None:
        return job
    return msgspec.structs.replace(job, data={**data, "masks": "auto"})


def check_objectives(objectives: Mapping[str, str], metrics: Mapping[str, str]) -> None:
    """Refuse objectives that are neither costs nor metrics of the task.

    Raises:
        ConfigError: an unknown name, or a metric in its worse direction.
    """
    metrics = {**metrics, **{f"{n}{SUFFIX}": d for n, d in metrics.items()}}
    for name, direction in objectives.items():
        if name in COSTS:
            continue
        if name not in metrics:
            raise ConfigError(
                f"objectives: `{name}` is neither a metric of the task "
                f"({', '.join(_plain(metrics))}; with {SUFFIX}: of the quantised network) nor "
                f"a cost ({', '.join(COSTS)}){did_you_mean(name, (*metrics, *COSTS))}"
            )
        if direction != metrics[name]:
            raise ConfigError(f"objectives.{name} must be `{metrics[name]}`, but got `{direction}`")


def _plain(metrics: Mapping[str, str]) -> list[str]:
    return [name for name in metrics if not name.endswith(SUFFIX)]


__all__ = ["check_objectives", "with_masks", "with_objectives"]
