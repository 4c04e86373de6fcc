"""What a job's evaluations can measure: the place where objectives meet the task.

A job file may name any metric as an objective; whether there is such a metric only the task knows.
"""

from __future__ import annotations

from collections.abc import Mapping

from plugnas.modules import did_you_mean
from plugnas.nas.job.config import COSTS
from plugnas.space.typed import ConfigError

CLASSIFICATION: Mapping[str, str] = {"accuracy": "max"}
"""The metrics of the one task there is, each with its better direction."""


def check_objectives(
    objectives: Mapping[str, str], metrics: Mapping[str, str] = CLASSIFICATION
) -> None:
    """Refuse objectives that are neither costs nor metrics of the task.

    Raises:
        ConfigError: an unknown name, or a metric in its worse direction.
    """
    for name, direction in objectives.items():
        if name in COSTS:
            continue
        if name not in metrics:
            raise ConfigError(
                f"objectives: `{name}` is neither a metric of the task ({', '.join(metrics)}) nor "
                f"a cost ({', '.join(COSTS)}){did_you_mean(name, (*metrics, *COSTS))}"
            )
        if direction != metrics[name]:
            raise ConfigError(f"objectives.{name} must be `{metrics[name]}`, but got `{direction}`")


__all__ = ["CLASSIFICATION", "check_objectives"]
