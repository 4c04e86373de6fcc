"""The recipes that a job gets if it names none."""

from __future__ import annotations

import math

import msgspec

from plugnas.nas.data import Dataset
from plugnas.nas.proxy.batches import steps_per_epoch
from plugnas.nas.proxy.recipe import Recipe

STEPS = 240
"""Optimiser steps below which a training ranks a network poorly: the default takes no fewer. With
half as many 300 photographs were ranked too poorly (experiments/records/small_sets.md)."""

_HOST_STEPS = 120  # the same where trained weights are gone on from
_LONG_STEPS = 480

HOST_SHARE = 0.1
"""The learning rate of a host's own weights, as a share of that of its plugs."""

_LEAST_BATCH = 16
_SMALL = 12  # pixels: below this, averaging or shifting an image loses what it shows
_TINY_IMAGES = Recipe(batch_size=32, shift=0, label_smoothing=0.1, validation_images=2000)


def default_rungs(dataset: Dataset) -> tuple[Recipe, ...]:
    """Return the recipes of the search, cheapest first.

    Images up to 12 pixels get one rung: trainings are so short that a lower one ranks too poorly
    to save any (experiments/benchmarks/search.py rungs). Larger images get two, chosen by how well
    they rank per second (experiments/records/fidelity_cifar10.md): averaged down to 3/8 of their
    side in large batches, then to half of it with twice the images. Small sets are trained in
    smaller batches and for more epochs, so that each rung has enough optimiser steps.
    """
    images = len(dataset.train)
    if min(dataset.input_shape[1:]) <= _SMALL:
        tiny = _with(_TINY_IMAGES, schedule="trapezoid", cooldown=0.5, epochs=9)
        return (with_enough_steps(tiny, images),)
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
    return with_enough_steps(first, images, STEPS // 4), with_enough_steps(last, images)


def default_host_rungs(dataset: Dataset) -> tuple[Recipe, ...]:
    """Return the recipes of a search on a host with weights, cheapest first.

    First the plugs alone in the frozen host, then all, the host at a tenth of their rate; on images
    of full size, for which the host's weights were made.
    """
    tiny = min(dataset.input_shape[1:]) <= _SMALL
    whole = _with(
        _TINY_IMAGES if tiny else Recipe(images=10000, validation_images=5000),
        epochs=3,
        learning_rate=0.02,
    )
    images = len(dataset.train)
    frozen = _with(whole, epochs=2, freeze="host", learning_rate=0.05)
    return (
        with_enough_steps(frozen, images, _HOST_STEPS),
        gentle(with_enough_steps(whole, images, _HOST_STEPS)),
    )


def gentle(recipe: Recipe) -> Recipe:
    """Return a recipe that trains a host's own weights at a tenth of the rate, if it says none."""
    if recipe.host_learning_rate is not None or recipe.freeze or recipe.zero_cost:
        return recipe
    return _with(recipe, host_learning_rate=HOST_SHARE * recipe.learning_rate)


def confirmation_of(input_shape: tuple[int, int, int], images: int) -> Recipe:
    """Return the long recipe for so many images of a shape (C, H, W)."""
    if min(input_shape[1:]) <= _SMALL:
        long = _with(_TINY_IMAGES, epochs=30, learning_rate=0.2, validation_images=None)
    else:
        long = Recipe(epochs=30)
    return with_enough_steps(long, images, _LONG_STEPS)


def steps_of(recipe: Recipe, images: int) -> int:
    """Return the optimiser steps that a recipe takes where there are so many training images."""
    used = images if recipe.images is None else min(images, recipe.images)
    return recipe.epochs * steps_per_epoch(used, recipe.batch_size)


def with_enough_steps(recipe: Recipe, images: int, least: int = STEPS) -> Recipe:
    """Return the recipe with smaller batches, then more epochs, until it takes ``least`` steps.

    Batches go down to 16 images, the learning rate in proportion to them.
    """
    batch = recipe.batch_size
    while steps_of(_with(recipe, batch_size=batch), images) < least and batch > _LEAST_BATCH:
        batch = max(_LEAST_BATCH, batch // 2)
    rate = recipe.learning_rate * batch / recipe.batch_size
    found = _with(recipe, batch_size=batch, learning_rate=rate)
    per_epoch = steps_of(found, images) // found.epochs
    return _with(found, epochs=max(found.epochs, math.ceil(least / per_epoch)))


def _averaged(dataset: Dataset, share: float) -> int | None:
    """Return this share of the height of images of 24 pixels and more; smaller ones stay."""
    height = dataset.input_shape[1]
    return round(share * height) if height >= 24 else None


def _with(recipe: Recipe, **changes: object) -> Recipe:
    return msgspec.structs.replace(recipe, **changes)
