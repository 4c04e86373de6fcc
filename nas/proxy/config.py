"""What a job says of its trainings: the proxy's rungs, and the long recipe of a confirmation."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from plugnas.nas.machine.reading import Some
from plugnas.nas.proxy.recipe import Recipe
from plugnas.space.typed import ConfigError, convert


class ProxyConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The cheap training and its rungs, cheapest first; none given: those that suit the images.

    ``promotion`` says who reaches the next rung: the first of a rung by non-dominated ``rank``, or
    by ``promise``: the expected improvement at the last rung by the predictor's model.
    """

    rungs: list[Recipe] = []
    """Trainings, cheapest first; without any, those that suit the images are taken."""
    promotion: Literal["rank", "promise"] = "promise"
    """Which architectures reach the next rung: the first by non-dominated `rank`, or by `promise`,
    the expected improvement.
    """
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Number format of the training; `auto` takes bfloat16 where it is faster."""


class ConfirmConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Training the front again with the long recipe at the end of the search."""

    seeds: Some = 3
    """Trainings of each network, under seeds that the search did not use."""
    epochs: Some | None = None
    """Epochs of the long recipe; 30 if left out, more where images are few."""
    recipe: dict[str, Any] = {}
    """Settings of the long recipe in place of its own, by the names of a rung's, such as
    `{images: 5000, learning_rate: 0.02}`.
    """
    control: bool = True
    """Whether as many random networks are trained beside the front."""

    def __post_init__(self) -> None:
        """Refuse settings that a recipe has not, or that train nothing."""
        for name in ("epochs", "zero_cost"):
            if name in self.recipe:
                other = "say it as `confirm.epochs`" if name == "epochs" else "leave it out"
                raise ConfigError(f"confirm.recipe cannot say `{name}`: {other}")
        convert(self.recipe, Recipe, "confirm.recipe")
