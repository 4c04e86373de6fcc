"""What a search says before it begins: images, training, space, workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plugnas.nas.data import Dataset
from plugnas.nas.data.spec import parse
from plugnas.nas.job.config import Job
from plugnas.nas.job.forecast import glance
from plugnas.nas.job.prepared import Prepared
from plugnas.nas.job.workers import worker_count
from plugnas.nas.machine.duration import spoken
from plugnas.nas.proxy import Recipe, steps_of
from plugnas.nas.proxy.settings import with_values
from plugnas.space.training import Value, token, varied

_CHANCE = 30  # optimiser steps below which most networks are at chance


def announcement(prepared: Prepared) -> list[str]:
    """Return the lines."""
    job = prepared.job
    workers = worker_count(job)
    return [
        *(trainings_of_own(job) if job.evaluate else trainings_of_proxy(prepared)),
        f"space: {prepared.space.size:.3g} architectures; sampler {job.sampler_config.name}; "
        f"{workers} {job.executor_config.name} worker{'s' if workers > 1 else ''} "
        f"on {prepared.device}",
        *_time(prepared),
    ]


def _time(prepared: Prepared) -> list[str]:
    """Return about how long the search will take, where a glance tells it."""
    found = glance(prepared)
    if found is None:
        return []
    return [
        f"time: about {spoken(found.seconds)} for all {prepared.job.trials:,} trials, by a few "
        "steps of one network (`nas plan` looks closer)"
    ]


def trainings_of_proxy(prepared: Prepared) -> list[str]:
    """Return what the task tells of the images, and the rungs."""
    job, dataset = prepared.job, prepared.dataset
    return [
        *prepared.task.describe(dataset),
        *_normalised(job, dataset),
        *trainings(job.proxy.rungs, dataset, varied(job.recipe)),
        *chosen_text(job),
    ]


def _normalised(job: Job, dataset: Dataset) -> list[str]:
    """Return how images are normalised, where trained weights may expect another way."""
    if job.space.host is None or job.space.host.weights is None:
        return []
    mean, std = (", ".join(f"{v:.3g}" for v in of.tolist()) for of in (dataset.mean, dataset.std))
    line = f"images are normalised by the mean {mean} and the standard deviation {std}"
    if parse(job.data or "").mean is not None:
        return [line]
    return [
        f"{line} of the training images; `data: {{mean: [...], std: [...]}}` names those that the "
        "host's weights were trained with"
    ]


def trainings_of_own(job: Job) -> list[str]:
    """Return what the job's own function is given at each rung."""
    epochs = ", ".join(str(recipe.epochs) for recipe in job.proxy.rungs)
    line = f"{job.evaluate} trains and scores; epochs by rung (context.budget): {epochs}"
    return [line, *chosen_text(job)]


def chosen_text(job: Job) -> list[str]:
    """Return among which training settings the search chooses, where it does."""
    lists = varied(job.recipe)
    told = [f"{name} ({', '.join(str(token(v)) for v in lists[name])})" for name in lists]
    return [f"the search chooses for each network: {', '.join(told)}"] if told else []


def _host_text(recipe: Recipe) -> str:
    if recipe.freeze is not None:
        return "; the host is frozen, what it makes before the first plug is computed once"
    if recipe.host_learning_rate is not None:
        return f"; the host's own weights at a learning rate of {recipe.host_learning_rate:g}"
    return ""


def trainings(
    rungs: list[Recipe], dataset: Dataset, lists: Mapping[str, Sequence[Value]]
) -> list[str]:
    """Return how long each rung trains, and how images are varied.

    Args:
        rungs: the recipes.
        dataset: the images.
        lists: training settings that are chosen for each network.
    """
    lines = []
    images = len(dataset.train)
    for number, recipe in enumerate(rungs, start=1):
        if recipe.zero_cost is not None:
            lines.append(f"rung {number}: {recipe.zero_cost} of the untrained network")
            continue
        used = images if recipe.images is None else min(images, recipe.images)
        sides = lists.get("resolution", (recipe.resolution or dataset.input_shape[1],))
        sizes = lists.get("batch_size", (recipe.batch_size,))
        steps = sorted({steps_of(with_values(recipe, {"batch_size": n}), images) for n in sizes})
        lines.append(
            f"rung {number}: {used} images at {' or '.join(map(str, sides))} px x {recipe.epochs} "
            f"epochs = {' or '.join(map(str, steps))} steps; "
            f"{_moves_text(recipe, dataset, lists)}{_host_text(recipe)}"
        )
        if steps[0] < _CHANCE:
            lines.append(
                f"rung {number} has so few steps that ranks are mostly chance; give it more "
                "`epochs` or a smaller `batch_size`"
            )
    mirrored = any(dataset.mirror if r.mirror is None else r.mirror for r in rungs)
    if not mirrored and "mirror" not in lists:
        lines.append("`data: {mirror: true}` mirrors training images, where that keeps the class")
    return lines


def _moves_text(recipe: Recipe, dataset: Dataset, lists: Mapping[str, Sequence[Value]]) -> str:
    """Return how images are moved; nothing of what is chosen for each network."""
    if recipe.freeze is not None:
        return "not shifted, not mirrored"
    side = recipe.resolution or dataset.input_shape[1]
    shift = max(1, side // 8) if recipe.shift is None else recipe.shift
    relative = "resolution" in lists and recipe.shift is None
    most = "an eighth of the side" if relative else f"{shift} px"
    mirror = dataset.mirror if recipe.mirror is None else recipe.mirror
    told = {
        "shift": f"shifted by up to {most}" if shift else "not shifted",
        "mirror": "mirrored" if mirror else "not mirrored",
        "zoom": f"zoomed by up to {1 + recipe.zoom:g}" if recipe.zoom else "",
    }
    words = [text for name, text in told.items() if text and name not in lists]
    return ", ".join(words) or "moved as chosen"


__all__ = ["announcement", "trainings"]
