"""What a job aims at: the front, or the best value within each of some limits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from plugnas.nas.cost.quantity import Quantity, quantity
from plugnas.space.typed import ConfigError


def levels_of(limits: Mapping[str, Sequence[Quantity]]) -> dict[str, list[float]]:
    """Return the limits of each cost as numbers, the smallest first.

    Raises:
        ConfigError: a text that is no number.
    """
    return {
        name: sorted(quantity(value, f"limits.{name}") for value in values)
        for name, values in limits.items()
    }


def check_aim(
    aim: str, levels: Mapping[str, Sequence[float]], objectives: Mapping[str, str]
) -> None:
    """Raise ConfigError where the aim and the limits of a job do not belong together.

    ``objectives`` that are empty are those of the task, and FLOPs.
    """
    if (aim == "limits") != bool(levels):
        raise ConfigError(
            "`aim: limits` and `limits` belong together: write, for example, "
            "`aim: limits` and `limits: {flops: [2M, 5M, 20M]}`, or leave both out"
        )
    for name, values in levels.items():
        if name not in (objectives or ("flops",)):
            raise ConfigError(f"limits.{name} must be a cost that is an objective; add {name}: min")
        # by hand: a limit may be written as `2M`, and is a number only when that has been read
        if not values or not all(0 < value < math.inf for value in values):
            raise ConfigError(f"limits.{name} must be a list of numbers above 0, but got {values}")
