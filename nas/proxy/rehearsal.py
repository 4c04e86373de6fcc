"""How long a training takes, found by a few of its steps on a few of its images."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import msgspec
import torch
from torch import Tensor, nn

from plugnas.nas.data import Dataset
from plugnas.nas.executors.measure import Training as Busy
from plugnas.nas.ledger.measurement import Task
from plugnas.nas.machine.device import deterministic, resolve_device, resolve_precision, seeded
from plugnas.nas.machine.threads import threads
from plugnas.nas.proxy.batches import Batches, steps_per_epoch
from plugnas.nas.proxy.evaluator import Proxy
from plugnas.nas.proxy.features import Features
from plugnas.nas.proxy.learning import training_mode
from plugnas.nas.proxy.norms import IMAGES
from plugnas.nas.proxy.recipe import Recipe
from plugnas.nas.proxy.training import Course
from plugnas.nas.tasks import Task as Purpose

STEPS = 6
"""Optimiser steps of a rehearsal besides the first, which is warmer-up of caches and kernels."""

_SCORED = 128
_LONG = 3.0  # seconds of steps after which no further one is made


@dataclass(frozen=True)
class Pace:
    """What a training consists of, in seconds of a processor, or of the clock on a GPU.

    ``begin`` comes once; ``step`` is an optimiser step; ``image`` an image through the network
    without learning; ``shared`` an image through a frozen host, once for all trainings.
    """

    begin: float
    step: float
    image: float
    shared: float = 0.0

    def seconds(self, recipe: Recipe, images: int, scored: int) -> float:
        """Return the seconds of a training on so many images, scored on others."""
        if recipe.zero_cost is not None:
            return self.begin + self.step
        used, judged = _used(images, recipe.images), _used(scored, recipe.validation_images)
        steps = recipe.epochs * steps_per_epoch(used, recipe.batch_size)
        times = recipe.epochs if recipe.validate_every_epoch else 1
        looked = times * (judged + min(IMAGES, used))
        return self.begin + steps * self.step + looked * self.image

    def seconds_once(self, recipe: Recipe, images: int, scored: int) -> float:
        """Return the seconds of what is computed once for all trainings of a frozen host."""
        used, judged = _used(images, recipe.images), _used(scored, recipe.validation_images)
        return self.shared * (used + judged)


def rehearse(
    build: Callable[[], nn.Module],
    dataset: Dataset,
    recipe: Recipe,
    task: Purpose,
    *,
    device: str = "cpu",
    precision: str = "float32",
    learn_from: Sequence[str] = ("train",),
    score_on: str = "validation",
) -> Pace:
    """Make a few real steps of a training, and score a few images.

    Args:
        build: makes the network.
        dataset: the images.
        recipe: the training.
        task: its loss and metrics, prepared for the images.
        device: where it trains.
        precision: number format of the training.
        learn_from: parts of the data set it learns from.
        score_on: the part it is scored on.
    """
    where = resolve_device(device)
    number = resolve_precision(precision, where)
    few = _few(dataset, recipe, learn_from, score_on)
    short = msgspec.structs.replace(
        recipe, images=None, validation_images=None, batch_size=_batch(few)
    )
    with threads(1), seeded(0, where), deterministic(where):
        start = _now(where)
        course = Course(
            build(), few, short, task, 0, where, number, ("train",), "validation"
        )  # fmt: skip
        training_mode(course.network, short, short.plugs_first)
        built = _now(where) - start
        shared = _shared(course, few, where) if isinstance(course.batches, Features) else 0.0
        first, step = _steps(course, where)
        image = _looks(course, where)
    done_once = shared * len(few.images[few.part("train", "validation").unique()])
    return Pace(max(0.0, built - done_once) + max(0.0, first - step), step, image, shared)


@dataclass(frozen=True)
class Rehearsal:
    """An evaluator factory that rehearses trainings in the place where they will run.

    ``recipes`` are the rungs and after them ``long``, the training of a confirmation; the rung of a
    task says which. It returns the pace as values, ``memory``, the most bytes that the worker has
    taken, and ``slow``, how many seconds of the clock one of the pace took.
    """

    proxy: Proxy
    recipes: tuple[Recipe, ...]
    long: Recipe

    def __call__(self) -> Callable[[Task], dict[str, Any]]:
        """Load the images and return ``evaluate(task)``."""
        made: Any = replace(self.proxy, rungs=(*self.recipes, self.long), states=None)()
        return _Evaluate(made, len(self.recipes))


@dataclass(frozen=True)
class _Evaluate(Busy):
    """``evaluate(task)`` of one worker."""

    made: Any  # the proxy's own evaluate: dataset, purpose, settled proxy
    rungs: int

    def __call__(self, task: Task) -> dict[str, Any]:
        proxy = self.made.proxy
        where = torch.device(proxy.device)
        recipe = proxy.settings.of(proxy.rungs[task.rung], task.architecture)
        long = task.rung == self.rungs
        clock, own = time.perf_counter(), _now(where)
        if recipe.zero_cost is not None:
            self.made(task)
            pace = Pace(_now(where) - own, 0.0, 0.0)
        else:
            pace = rehearse(
                partial(proxy.build, task.architecture),
                self.made.dataset,
                recipe,
                self.made.purpose,
                device=proxy.device,
                precision=proxy.precision,
                learn_from=("train", "validation") if long else ("train",),
                score_on="test" if long and len(self.made.dataset.test) else "validation",
            )
        slow = (time.perf_counter() - clock) / max(1e-6, _now(where) - own)
        told: Mapping[str, float] = {**asdict(pace), "memory": _memory(proxy.device), "slow": slow}
        return {"values": told}


def _few(dataset: Dataset, recipe: Recipe, learn_from: Sequence[str], score_on: str) -> Dataset:
    """Return a set of as many images as the rehearsal's steps take, in batches of the true size."""
    images, scored = dataset.part(*learn_from), dataset.part(score_on)
    used = _used(len(images), recipe.images)
    size = round(used / steps_per_epoch(used, recipe.batch_size))
    return replace(
        dataset,
        train=_spread(images, size * (STEPS + 1)),
        validation=_spread(scored, min(_SCORED, len(scored))),
        fingerprint=f"{dataset.fingerprint} rehearsed",
    )


def _spread(indices: Tensor, count: int) -> Tensor:
    """Return so many of some indices, of all classes, again from the first if there are fewer."""
    order = torch.randperm(len(indices), generator=torch.Generator().manual_seed(0))
    return indices[order[torch.arange(count) % len(indices)].to(indices.device)]


def _batch(few: Dataset) -> int:
    return len(few.train) // (STEPS + 1)


def _steps(course: Course, where: torch.device) -> tuple[float, float]:
    """Return the seconds of the first step and the mean of those after it."""
    taken: list[float] = []
    last = _now(where)
    batches: Iterator[Any] = course.batches.epoch(
        course.indices, course.recipe.batch_size, course.generator
    )
    for x, y in batches:
        course.learn(x, y)
        now = _now(where)
        taken.append(now - last)
        last = now
        if sum(taken) > _LONG and len(taken) > 1:
            break
    later = taken[1:] or taken
    return taken[0], sum(later) / len(later)


def _looks(course: Course, where: torch.device) -> float:
    """Return the seconds of one image through the network without learning."""
    course.score()  # the first pass prepares kernels that later ones have
    start = _now(where)
    course.score()
    return (_now(where) - start) / len(course.scored)


@torch.inference_mode()
def _shared(course: Course, few: Dataset, where: torch.device) -> float:
    """Return about the seconds of one image through the frozen host."""
    x, _ = Batches(few, course.recipe, where).plain(few.train[:_SCORED])
    course.network.eval()
    start = _now(where)
    course.network(x)
    seconds = (_now(where) - start) / len(x)
    training_mode(course.network, course.recipe, course.recipe.plugs_first)
    return seconds


def _now(where: torch.device) -> float:
    """Return seconds of this process's processor, which other work on the machine does not change.

    On a GPU, of the clock: the processor only waits.
    """
    if where.type == "cuda":
        torch.cuda.synchronize(where)
        return time.perf_counter()
    return time.process_time()


def _memory(device: str) -> float:
    """Return the most bytes that this process has taken: of the GPU where it trains on one."""
    if device.startswith("cuda"):
        return float(torch.cuda.max_memory_allocated(device))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(most if sys.platform == "darwin" else 1024 * most)


def _used(have: int, wanted: int | None) -> int:
    return have if wanted is None else min(have, wanted)


__all__ = ["STEPS", "Pace", "Rehearsal", "rehearse"]
