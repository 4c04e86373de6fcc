"""What a confirmation of a run would take, by what its search took."""

from __future__ import annotations

import math

from plugnas.nas.confirm.recipe import recipe_of
from plugnas.nas.proxy import Recipe
from plugnas.nas.run.seconds import seconds_of_training, side_by_side
from plugnas.nas.run.view import RunView


def seconds_of_confirmation(view: RunView) -> float:
    """Return about how many seconds `nas confirm` takes for a run's front; NaN where not known.

    A long training is taken to cost as much more than one of the last rung as it sees more pixels.
    """
    run, job = view.job_run, view.job_run.job
    each = seconds_of_training(view, [m.id for m in view.front])
    counts, rungs = run.facts.images, job.proxy.rungs
    if not rungs or rungs[-1].zero_cost is not None or not (counts or job.evaluate):
        return math.nan
    train, validation = counts.get("train", 0), counts.get("validation", 0)
    shape = run.facts.input_shape
    long = recipe_of(view, shape, train + validation)
    more = _pixels(long, train + validation, shape[1]) / _pixels(rungs[-1], train, shape[1])
    control = job.confirm is None or job.confirm.control
    networks = len(view.front) * (2 if control else 1)
    seeds = 3 if job.confirm is None else job.confirm.seeds
    busy = networks * each * (1 + seeds * more)
    return busy / side_by_side(view, networks * seeds)


def _pixels(recipe: Recipe, images: int, height: int) -> float:
    """Return how many pixels a training sees, up to a factor; epochs where no image is known."""
    used = images if recipe.images is None else min(images, recipe.images)
    return float(recipe.epochs * max(1, used) * (recipe.resolution or height) ** 2)


__all__ = ["seconds_of_confirmation"]
