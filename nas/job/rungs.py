"""The rungs of a job: those it names, else those that suit its images."""

from __future__ import annotations

import msgspec

from plugnas.nas.data import Dataset
from plugnas.nas.job.config import Job
from plugnas.nas.proxy import Recipe, default_rungs
from plugnas.nas.proxy.config import ConfirmConfig
from plugnas.nas.proxy.defaults import confirmation_of, default_host_rungs, gentle


def with_rungs(job: Job, dataset: Dataset) -> Job:
    """Write the default rungs into the job, so that the record says what was run."""
    if _trains_weights(job):
        given = job.proxy.rungs or default_host_rungs(dataset)
        rungs = [gentle(recipe) for recipe in given]
    elif job.proxy.rungs:
        return job
    elif job.evaluate:
        rungs = [Recipe()]
    else:
        rungs = list(default_rungs(dataset))
    return msgspec.structs.replace(job, proxy=msgspec.structs.replace(job.proxy, rungs=rungs))


def long_rung(
    job: Job, input_shape: tuple[int, int, int], images: int, epochs: int | None = None
) -> Recipe:
    """Return the long recipe by which a job's front is confirmed and exported.

    It has the settings that ``confirm`` names, and otherwise those that suit the images; 30 epochs
    for a training function of the user's own.

    Args:
        job: the job.
        input_shape: (C, H, W) of an image.
        images: how many there are to train on.
        epochs: in place of those of the job.
    """
    wished = job.confirm or ConfirmConfig()
    recipe = Recipe(epochs=30) if job.evaluate else confirmation_of(input_shape, images)
    recipe = msgspec.convert({**msgspec.structs.asdict(recipe), **wished.recipe}, Recipe)
    if _trains_weights(job):
        recipe = gentle(recipe)
    asked = wished.epochs if epochs is None else epochs
    return recipe if asked is None else msgspec.structs.replace(recipe, epochs=asked)


def _trains_weights(job: Job) -> bool:
    """Whether the job goes on from trained weights of a host."""
    host = job.space.host
    return host is not None and host.weights is not None and not job.evaluate


__all__ = ["long_rung", "with_rungs"]
