"""Checks that types cannot make: numbers that do not suit the images, names that do not exist.

Every command that reads a job checks it so, not only the search.
"""

from __future__ import annotations

import itertools
import math
from itertools import pairwise

import torch

from plugnas.modules import did_you_mean
from plugnas.nas.cost import NetworkCost
from plugnas.nas.cost.network import Unmeasured
from plugnas.nas.data import Dataset
from plugnas.nas.job.config import Job
from plugnas.nas.job.workers import worker_count
from plugnas.nas.machine.device import DeviceError
from plugnas.nas.proxy.batches import Batches
from plugnas.nas.proxy.recipe import Recipe, RecipeError
from plugnas.nas.proxy.settings import with_values
from plugnas.nas.samplers import Problem, create
from plugnas.nas.samplers.known.earlier import check_learns
from plugnas.nas.samplers.known.preference import preference_of
from plugnas.nas.study.again import check_again
from plugnas.nas.study.scheduled import check_scheduler
from plugnas.space import SearchSpace
from plugnas.space.config import SpaceConfig
from plugnas.space.training import RESOLUTION, text_of, varied
from plugnas.space.typed import ConfigError

_SEEDS = 1000
_LEAST_IMAGES = 8
_LEAST_SIDE = 4  # pixels
_DEVICES = ("auto", "cpu", "cuda")


def check_sense(job: Job, dataset: Dataset) -> None:
    """Refuse numbers that cannot be meant: of rungs, seeds, strides.

    Raises:
        ConfigError: such a number, with the law and what to do.
    """
    for number, rung in enumerate(job.proxy.rungs):
        _check_rung(rung, f"proxy.rungs[{number}]", dataset)
        if rung.freeze is not None and (job.space.host is None or job.space.host.weights is None):
            raise ConfigError(
                f"proxy.rungs[{number}].freeze keeps the trained weights of a host, but this job "
                "names none: give `space.host` and its `weights`, or leave `freeze` out"
            )
    _check_order(job.proxy.rungs, dataset)
    seeds = {"seeds": job.seeds_of_each}
    if job.confirm is not None:
        seeds["confirm.seeds"] = job.confirm.seeds
    for name, value in seeds.items():
        if value > _SEEDS:
            raise ConfigError(
                f"{name} is how often each architecture is trained, at most {_SEEDS}, but got "
                f"{value}; `seed: {value}` names one stream of random numbers"
            )
    _check_strides(job.space, dataset.input_shape)


def check_settings(job: Job, dataset: Dataset) -> None:
    """Refuse values of ``recipe`` that a rung cannot be trained with on these images.

    Each value of each setting is tried at each rung, at each size of images.

    Raises:
        ConfigError: such a value, with the law and what to do.
    """
    if not job.recipe or job.evaluate is not None:
        return
    lists = varied(job.recipe)
    sizes = lists.pop(RESOLUTION, (None,))
    some = [{name: value} for name, values in lists.items() for value in values] or [{}]
    for number, rung in enumerate(job.proxy.rungs):
        for own, size in itertools.product(some, sizes):
            values = own if size is None else {**own, RESOLUTION: size}
            try:
                recipe = with_values(rung, values)
                _check_rung(recipe, f"proxy.rungs[{number}]", dataset)
                Batches(dataset, recipe, torch.device("cpu"))
            except (ConfigError, RecipeError) as error:
                by = f"recipe, {text_of(values)}" if values else "recipe"
                raise ConfigError(f"{by}: {error}") from None


def check_names(job: Job, space: SearchSpace, cost: NetworkCost) -> None:
    """Refuse an unknown device, sampler or sampler's option, and too many workers.

    Whether this machine has the device is for the search alone to say: a job may be written
    elsewhere. Latency is not known at this point: it counts as 0.

    Raises:
        PlugnasError: such a word, with what there is.
    """
    kind, colon, index = job.device.partition(":")
    if kind not in _DEVICES or (colon and (kind != "cuda" or not index.isdigit())):
        raise DeviceError(
            f"`device` must be auto, cpu, cuda or cuda:1, got `{job.device}`"
            f"{did_you_mean(kind, _DEVICES)}"
        )
    worker_count(job)
    known = cost
    if job.needs_latency:
        known = NetworkCost(space, cost.table, Unmeasured(), cost.dtype)
    problem = Problem(
        space=space,
        objectives=job.objectives,
        cost=known,
        seed=job.seed,
        preference=preference_of(space, job.prefer),
    )
    sampler = create(job.sampler_config.name, problem, **job.sampler_config.options)
    check_scheduler(sampler, len(job.proxy.rungs))
    check_learns(job.sampler_config.name, job.earlier)
    if job.seeds == "auto":
        check_again(sampler)


def _check_rung(rung: Recipe, where: str, dataset: Dataset) -> None:
    _, height, width = dataset.input_shape
    side = min(rung.resolution or height, width)
    if rung.resolution is not None and rung.resolution < _LEAST_SIDE:
        raise ConfigError(
            f"{where}.resolution must be at least {_LEAST_SIDE} pixels, but got {rung.resolution}"
        )
    if rung.shift is not None and rung.shift >= side:
        raise ConfigError(
            f"{where}.shift must be below the {side} pixels of the images as trained, or nothing "
            f"of them is left, but got {rung.shift}; left out, it is {max(1, side // 8)}"
        )
    if rung.signal_epochs is not None and rung.signal_epochs > rung.epochs:
        raise ConfigError(
            f"{where}.signal_epochs must be at most its epochs ({rung.epochs}), but got "
            f"{rung.signal_epochs}; left out, it is the last of up to three epochs, else all"
        )
    least = max(_LEAST_IMAGES, 2 * len(dataset.classes))
    if rung.images is not None and rung.images < least and rung.images < len(dataset.train):
        raise ConfigError(
            f"{where}.images must be at least {least} (two of each class, and {_LEAST_IMAGES} in "
            f"all), but got {rung.images}; left out, it is all {len(dataset.train)}"
        )


def _check_order(rungs: list[Recipe], dataset: Dataset) -> None:
    """Refuse a rung that trains less than the one before, or the same again."""
    for number, (before, after) in enumerate(pairwise(rungs), start=1):
        where = f"proxy.rungs[{number}]"
        if before == after:
            raise ConfigError(
                f"{where} is the same as proxy.rungs[{number - 1}], and a rung must train more "
                "than the one before; leave one of them out"
            )
        if _work(after, dataset) < _work(before, dataset):
            raise ConfigError(
                f"{where} trains less (epochs x images x pixels) than proxy.rungs[{number - 1}], "
                "and rungs go from cheap to expensive: the front is made at the last; reverse them"
            )


def _work(rung: Recipe, dataset: Dataset) -> float:
    """Return what a rung costs, in pixels seen."""
    if rung.zero_cost is not None:
        return 0.0
    known = len(dataset.train) or 1  # none: a training function of the user's own has them
    images = known if rung.images is None else min(rung.images, known)
    return float(rung.epochs * images * (rung.resolution or dataset.input_shape[1]) ** 2)


def _check_strides(space: SpaceConfig, input_shape: tuple[int, int, int]) -> None:
    """Refuse strides under which the map is one pixel before the last of them."""
    if space.host is not None:
        return
    side = max(input_shape[1:])
    named = {"stem.stride": space.stem.stride} | {
        f"stages[{s}].stride": stage.stride for s, stage in enumerate(space.stages)
    }
    for name, stride in named.items():
        if stride > 1 and stride > side:
            raise ConfigError(
                f"space.{name} is {stride}, but the map that it makes smaller has {side} pixel"
                f"{'s' * (side != 1)} a side; take a smaller stride, or larger images (`data.size`)"
            )
        side = math.ceil(side / stride)


__all__ = ["check_names", "check_sense"]
