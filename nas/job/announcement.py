"""What a search says before it begins: images, training, space, workers."""

from __future__ import annotations

from plugnas.nas.data import Dataset
from plugnas.nas.data.spec import parse
from plugnas.nas.job.config import Job
from plugnas.nas.job.forecast import glance
from plugnas.nas.job.prepared import Prepared
from plugnas.nas.job.workers import worker_count
from plugnas.nas.machine.duration import spoken
from plugnas.nas.proxy import STEPS, Recipe, steps_of


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
        *trainings(job.proxy.rungs, dataset),
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
    return [f"{job.evaluate} trains and scores; epochs by rung (context.budget): {epochs}"]


def _host_text(recipe: Recipe) -> str:
    if recipe.freeze is not None:
        return "; the host is frozen, what it makes before the first plug is computed once"
    if recipe.host_learning_rate is not None:
        return f"; the host's own weights at a learning rate of {recipe.host_learning_rate:g}"
    return ""


def trainings(rungs: list[Recipe], dataset: Dataset) -> list[str]:
    """Return how long each rung trains, and how images are varied."""
    lines = []
    images = len(dataset.train)
    for number, recipe in enumerate(rungs, start=1):
        if recipe.zero_cost is not None:
            lines.append(f"rung {number}: {recipe.zero_cost} of the untrained network")
            continue
        used = images if recipe.images is None else min(images, recipe.images)
        side = recipe.resolution or dataset.input_shape[1]
        mirror = dataset.mirror if recipe.mirror is None else recipe.mirror
        shift = max(1, side // 8) if recipe.shift is None else recipe.shift
        if recipe.freeze is not None:
            mirror, shift = False, 0
        moved = f"shifted by up to {shift} px" if shift else "not shifted"
        mirrored = "mirrored" if mirror else "not mirrored"
        if recipe.zoom and recipe.freeze is None:
            mirrored += f", zoomed by up to {1 + recipe.zoom:g}"
        lines.append(
            f"rung {number}: {used} images at {side} px x {recipe.epochs} epochs = "
            f"{steps_of(recipe, images)} steps; {moved}, {mirrored}{_host_text(recipe)}"
        )
        if steps_of(recipe, images) < STEPS // 4:
            lines.append(
                f"rung {number} has so few steps that ranks are mostly chance; give it more "
                "`epochs` or a smaller `batch_size`"
            )
    if not any(dataset.mirror if r.mirror is None else r.mirror for r in rungs):
        lines.append("`data: {mirror: true}` mirrors training images, where that keeps the class")
    return lines


__all__ = ["announcement", "trainings"]
