"""The recipes that a job gets if it names none."""

from __future__ import annotations

import msgspec

from plugnas.nas.data import Dataset
from plugnas.nas.proxy.recipe import Recipe

_SMALL = 12  # pixels: below this, averaging or shifting an image loses what it shows
_TINY_IMAGES = Recipe(batch_size=32, shift=0, label_smoothing=0.1, validation_images=2000)


def default_rungs(dataset: Dataset) -> tuple[Recipe, ...]:
    """Return the recipes of the search, cheapest first.

    Images up to 12 pixels get one rung: trainings are so short that a lower one ranks too poorly
    to save any (experiments/benchmarks/search.py rungs). Larger images get two, chosen by how well
    they rank per second (experiments/records/fidelity_cifar10.md): averaged down to 3/8 of their
    side in large batches, then to half of it with twice the images.
    """
    if min(dataset.input_shape[1:]) <= _SMALL:
        return (_with(_TINY_IMAGES, schedule="trapezoid", cooldown=0.5, epochs=9),)
    first = Recipe(
        resolution=_averaged(dataset, 3 / 8),
        images=5000,
        batch_size=128,
        learning_rate=0.15,
        validation_images=2000,
        signal_epochs=1,
    )
    last = Recipe(
        resolution=_averaged(dataset, 1 / 2), epochs=3, images=10000, validation_images=5000
    )
    return first, last


def default_confirmation(dataset: Dataset) -> Recipe:
    """Return the long recipe by which the front is confirmed and exported."""
    if min(dataset.input_shape[1:]) <= _SMALL:
        return _with(_TINY_IMAGES, epochs=30, learning_rate=0.2, validation_images=None)
    return Recipe(epochs=30)


def _averaged(dataset: Dataset, share: float) -> int | None:
    """Return this share of the height of images of 24 pixels and more; smaller ones stay."""
    height = dataset.input_shape[1]
    return round(share * height) if height >= 24 else None


def _with(recipe: Recipe, **changes: object) -> Recipe:
    return msgspec.structs.replace(recipe, **changes)
