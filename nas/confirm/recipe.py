"""The long recipe of a run: by which its front is confirmed, and exported with --train."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from plugnas.nas.confirm.outcome import paths
from plugnas.nas.data import Dataset
from plugnas.nas.job.rungs import long_rung
from plugnas.nas.proxy import Recipe

if TYPE_CHECKING:
    from plugnas.nas.run.view import RunView


def long_recipe(view: RunView, dataset: Dataset, epochs: int | None = None) -> Recipe:
    """Return the long recipe of a run.

    Its epochs are those asked for, else the job's, else those of an earlier confirmation, else
    those that suit the images; 30 for a training function of the user's own.
    """
    return recipe_of(
        view, dataset.input_shape, len(dataset.train) + len(dataset.validation), epochs
    )


def recipe_of(
    view: RunView, input_shape: tuple[int, int, int], images: int, epochs: int | None = None
) -> Recipe:
    """Return the long recipe of a run for so many images of a shape (C, H, W).

    Args:
        view: the run.
        input_shape: (C, H, W) of an image.
        images: how many there are to train on.
        epochs: in place of the recipe's own.
    """
    job = view.job_run.job
    told = epochs is not None or (job.confirm is not None and job.confirm.epochs is not None)
    if not told and (before := recipe_before(view)) is not None:
        epochs = before.get("epochs")
    return long_rung(job, input_shape, images, epochs)


def recipe_before(view: RunView) -> Mapping[str, Any] | None:
    """Return the recipe of what was confirmed before, as recorded; None where nothing was.

    It is the same for all that was confirmed, since another is refused.
    """
    headers = view.read(paths(view.run.path)[0]).contents.headers
    stated = [h["confirm"]["recipe"] for h in headers if "recipe" in h.get("confirm", {})]
    return stated[-1] if stated else None


__all__ = ["long_recipe", "recipe_before", "recipe_of"]
