"""Whether an evaluation returned what the objectives need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plugnas.modules.errors import PlugnasError, did_you_mean
from plugnas.nas.ledger.measurement import Measurement

if TYPE_CHECKING:
    from plugnas.nas.samplers import Problem


class StudyError(PlugnasError):
    """A study that was asked or told something that it does not allow."""


def check_objectives(problem: Problem, measurement: Measurement) -> None:
    """Raise StudyError where an objective is neither a known cost nor a returned value."""
    for name in problem.objectives:
        if name not in measurement.values and name not in measurement.costs:
            returned = ", ".join(measurement.values)
            raise StudyError(
                f"Every objective is a known cost or a value that the evaluation returns, but "
                f"`{name}` is neither: it returned {returned}"
                f"{did_you_mean(name, measurement.values)}"
            )


__all__ = ["StudyError", "check_objectives"]
