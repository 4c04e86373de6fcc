"""The recipes that a job gets if it names none."""

from __future__ import annotations

from nas.data import Dataset
from nas.proxy.recipe import Recipe

_SMALL = 12  # pixels: below this an image loses its content when averaged down


def default_rungs(dataset: Dataset) -> tuple[Recipe, ...]:
    """Return the recipes of the search, cheapest first."""
    side = min(dataset.input_shape[1:])
    if side <= _SMALL:
        recipe = Recipe(schedule="trapezoid", validation_images=2000)
        return tuple(_with(recipe, epochs=epochs) for epochs in (4, 12))
    recipe = Recipe(resolution=_averaged(dataset), validation_images=2000)
    return (
        _with(recipe, epochs=3, images=2000),
        _with(recipe, epochs=3, images=5000),
        _with(recipe, epochs=9, images=10000, validation_images=5000),
    )


def default_confirmation(dataset: Dataset) -> Recipe:
    """Return the long recipe by which the front is confirmed and exported."""
    return Recipe(epochs=40 if min(dataset.input_shape[1:]) <= _SMALL else 30)


def _averaged(dataset: Dataset) -> int | None:
    """Return the height at which the search trains: half that of images of 24 pixels and more."""
    height = dataset.input_shape[1]
    return height // 2 if height >= 24 else None


def _with(recipe: Recipe, **changes: object) -> Recipe:
    import msgspec

    return msgspec.structs.replace(recipe, **changes)
