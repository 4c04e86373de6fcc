"""The training settings of an architecture: which of a recipe's the job's ``recipe:`` varies.

``Settings.of`` gives the recipe by which one architecture is trained; whatever trains a network, or
says how it is trained, asks it: the proxy, a rehearsal, a confirmation, an export.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from plugnas.nas.proxy.defaults import gentle
from plugnas.nas.proxy.recipe import Recipe, RecipeError
from plugnas.space import Architecture
from plugnas.space.training import own_values
from plugnas.space.typed import ConfigError, convert

OF_A_RUNG = (
    "epochs", "images", "validation_images", "validate_every_epoch", "signal_epochs", "zero_cost",
    "freeze",
)  # fmt: skip
"""What rungs differ in: no setting of all trainings."""

NAMES = tuple(name for name in Recipe.__struct_fields__ if name not in OF_A_RUNG)
"""The settings that ``recipe:`` of a job may set or vary."""

_OF_MOVED_IMAGES = ("mixup", "erasing")


@dataclass(frozen=True)
class Settings:
    """What of a recipe is the architecture's own; nothing where no list stands in the job.

    Args:
        varied: names of the settings.
        gently: whether a host goes on from trained weights, so that their learning rate is by
            default a tenth of the architecture's.
    """

    varied: tuple[str, ...] = ()
    gently: bool = False

    def of(self, recipe: Recipe, architecture: Architecture) -> Recipe:
        """Return the recipe with the architecture's own values.

        Where images are not moved (``freeze``) or nothing is trained (``zero_cost``), mixup and
        erasing have no effect.
        """
        if not self.varied:
            return recipe
        found = with_values(recipe, own_values(self.varied, architecture.values))
        return gentle(found) if self.gently else found


NONE = Settings()
"""Those of a job without lists."""


def with_values(recipe: Recipe, values: dict[str, Any]) -> Recipe:
    """Return a recipe with other values of some settings.

    Raises:
        RecipeError: a value that no training has.
    """
    if recipe.freeze is not None or recipe.zero_cost is not None:
        values = {n: v for n, v in values.items() if n not in _OF_MOVED_IMAGES}
    try:
        return convert({**msgspec.structs.asdict(recipe), **values}, Recipe)
    except ConfigError as error:
        raise RecipeError(str(error)) from None


def without(recipe: Recipe, names: tuple[str, ...]) -> Recipe:
    """Return a recipe in which some settings stand at what they are where nothing is said."""
    plain = {field.name: field.default for field in msgspec.structs.fields(Recipe)}
    return msgspec.structs.replace(recipe, **{name: plain[name] for name in names})


__all__ = ["NAMES", "NONE", "OF_A_RUNG", "Settings", "with_values", "without"]
