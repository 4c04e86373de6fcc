"""The rungs of a job: those it names, else those that suit its images."""

from __future__ import annotations

import msgspec

from plugnas.nas.data import Dataset
from plugnas.nas.job.config import Job
from plugnas.nas.job.settings import chooses_rate, settled, trains_weights
from plugnas.nas.proxy import Recipe, default_rungs
from plugnas.nas.proxy.config import ConfirmConfig
from plugnas.nas.proxy.defaults import confirmation_of, default_host_rungs, gentle
from plugnas.nas.proxy.settings import with_values


def with_rungs(job: Job, dataset: Dataset) -> Job:
    """Write the default rungs into the job, so that the record says what was run."""
    if trains_weights(job):
        given = job.proxy.rungs or [settled(r, job) for r in default_host_rungs(dataset)]
        rungs = [_gentle(recipe, job) for recipe in given]
    elif job.proxy.rungs:
        return job
    elif job.evaluate:
        rungs = [Recipe()]
    else:
        rungs = [settled(recipe, job) for recipe in default_rungs(dataset)]
    return msgspec.structs.replace(job, proxy=msgspec.structs.replace(job.proxy, rungs=rungs))


def long_rung(
    job: Job, input_shape: tuple[int, int, int], images: int, epochs: int | None = None
) -> Recipe:
    """Return the long recipe by which a job's front is confirmed and exported.

    It has the settings that ``confirm`` names, then those of the job's ``recipe``, and otherwise
    those that suit the images; 30 epochs for a training function of the user's own.

    Args:
        job: the job.
        input_shape: (C, H, W) of an image.
        images: how many there are to train on.
        epochs: in place of those of the job.
    """
    wished = job.confirm or ConfirmConfig()
    recipe = Recipe(epochs=30) if job.evaluate else confirmation_of(input_shape, images)
    recipe = with_values(settled(recipe, job), wished.recipe)
    if trains_weights(job):
        recipe = _gentle(recipe, job)
    asked = wished.epochs if epochs is None else epochs
    return recipe if asked is None else msgspec.structs.replace(recipe, epochs=asked)


def _gentle(recipe: Recipe, job: Job) -> Recipe:
    """Return the recipe with a smaller rate of the host, which an architecture's own rate tells."""
    return recipe if chooses_rate(job) else gentle(recipe)


__all__ = ["long_rung", "with_rungs"]
