"""The ``recipe:`` of a job: training settings of every rung, and those that the search chooses.

What a rung, or ``confirm.recipe``, writes itself stands there before a value of ``recipe``. A list
stands nowhere else: a rung that names a setting which ``recipe`` varies is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from plugnas.modules import did_you_mean
from plugnas.nas.proxy.recipe import Recipe, RecipeError
from plugnas.nas.proxy.settings import NAMES, OF_A_RUNG, Settings, with_values, without
from plugnas.space.errors import SpaceError
from plugnas.space.training import plain, varied
from plugnas.space.typed import ConfigError, convert

if TYPE_CHECKING:
    from plugnas.nas.job.config import Job

_RATES = ("learning_rate", "host_learning_rate")


def with_recipe(job: Job, data: Mapping[str, Any]) -> Job:
    """Return the job with the single values of its ``recipe`` in the rungs that it writes.

    Args:
        job: the job.
        data: the job as written, which tells what a rung says from what it leaves out.

    Raises:
        ConfigError: a setting or a value that there is not, or one that is said twice.
    """
    if not job.recipe:
        return job
    try:
        lists, values = varied(job.recipe), plain(job.recipe)
    except SpaceError as error:
        raise ConfigError(str(error)) from None
    _check_names(job)
    places = {f"proxy.rungs[{i}]": raw for i, raw in enumerate(_rungs(data))}
    if job.confirm is not None:
        places["confirm.recipe"] = job.confirm.recipe
    for where, raw in places.items():
        for name in lists:
            if name in raw:
                raise ConfigError(
                    f"{where} sets {name}, which `recipe` varies: leave it out of one of the two"
                )
    if job.evaluate is not None:
        return job
    _check_values(job)
    rungs = [
        _with(rung, {n: v for n, v in values.items() if n not in raw}, f"proxy.rungs[{i}]")
        for i, (rung, raw) in enumerate(zip(job.proxy.rungs, _rungs(data), strict=True))
    ]
    return msgspec.structs.replace(job, proxy=msgspec.structs.replace(job.proxy, rungs=rungs))


def settings_of(job: Job) -> Settings:
    """Return what of a job's trainings is the architecture's own."""
    return Settings(tuple(varied(job.recipe)), gently=trains_weights(job))


def settled(recipe: Recipe, job: Job) -> Recipe:
    """Return a recipe of our own with what a job's ``recipe`` says; lists are left to ``Settings``.

    A rate of the host's own weights that followed from ours follows from the job's.
    """
    if job.evaluate is not None:
        return recipe
    values, names = plain(job.recipe), list(varied(job.recipe))
    if _RATES[0] in job.recipe and _RATES[1] not in job.recipe:
        names.append(_RATES[1])
    return with_values(without(recipe, tuple(names)), values)


def chooses_rate(job: Job) -> bool:
    """Whether the learning rate, and with it that of a host, is the architecture's own."""
    return not job.evaluate and _RATES[0] in varied(job.recipe)


def trains_weights(job: Job) -> bool:
    """Whether the job goes on from trained weights of a host."""
    host = job.space.host
    return host is not None and host.weights is not None and not job.evaluate


def as_data(job: Job) -> dict[str, Any]:
    """Return a job as plain data that ``parse`` reads: rungs without what ``recipe`` varies."""
    data: dict[str, Any] = msgspec.to_builtins(job)
    for rung in data["proxy"]["rungs"]:
        for name in varied(job.recipe):
            rung.pop(name, None)
    return data


def _rungs(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list((data.get("proxy") or {}).get("rungs") or [])


def _check_names(job: Job) -> None:
    for name in job.recipe:
        if name == "epochs" or (job.evaluate is None and name in OF_A_RUNG):
            raise ConfigError(
                f"recipe: `{name}` is what rungs differ in; say it in `proxy.rungs`, and of the "
                "confirmation in `confirm`"
            )
        if job.evaluate is None and name not in NAMES:
            raise ConfigError(
                f"recipe: there is no setting `{name}`{did_you_mean(name, NAMES)} (settings: "
                f"{', '.join(NAMES)})"
            )


def _check_values(job: Job) -> None:
    single = {name: (value,) for name, value in plain(job.recipe).items()}
    for name, values in {**single, **varied(job.recipe)}.items():
        for value in values:
            convert({name: value}, Recipe, "recipe")


def _with(rung: Recipe, values: dict[str, Any], where: str) -> Recipe:
    try:
        return with_values(rung, values)
    except RecipeError as error:
        raise ConfigError(f"{where} with `recipe`: {error}") from None


__all__ = ["as_data", "chooses_rate", "settings_of", "settled", "trains_weights", "with_recipe"]
