"""Samplers: which architecture is measured next. ``create(name, problem)`` makes one."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from plugnas.modules import did_you_mean
from plugnas.nas.samplers.base import Sampler
from plugnas.nas.samplers.problem import Problem, ProblemError, SpaceExhausted

NAMES = ("predictor", "evolution", "random", "tpe", "nsga2", "nsga3", "gp", "grid")
"""Our samplers and Optuna's by name; ``predictor`` is the default."""

TUNE = "tune"
"""The sampler that is one of Ray Tune's searchers; it needs Ray."""

GROUP = "plugnas.samplers"
"""The entry-point group in which installed packages announce samplers of their own."""

Make = Callable[..., Sampler]
"""Makes a sampler of a problem and options: a class derived from ``Sampler``, or a function."""

_PREFERRING = ("predictor", "evolution", "random")

_OWN = {
    "predictor": ("plugnas.nas.samplers.predictor.predictor", "Predictor"),
    "evolution": ("plugnas.nas.samplers.evolution", "Evolution"),
    "random": ("plugnas.nas.samplers.random_search", "RandomSearch"),
    TUNE: ("plugnas.nas.samplers.tune.backend", "TuneBackend"),
}

__all__ = [
    "GROUP",
    "NAMES",
    "Problem",
    "ProblemError",
    "Sampler",
    "SpaceExhausted",
    "create",
    "names",
]


def names() -> tuple[str, ...]:
    """Return every sampler that has a name here: ours, others' tools, those of other packages."""
    return (*NAMES, TUNE, *sorted(point.name for point in entry_points(group=GROUP)))


def create(sampler: str | Sampler | Make, problem: Problem, **options: Any) -> Sampler:
    """Return the sampler of a search.

    Args:
        sampler: a name; or a sampler that was made for this problem; or what makes one of a
            problem (a class derived from ``Sampler``, a function).
        problem: what is searched.
        options: the sampler's own; none for one that is made already.

    Raises:
        ProblemError: no such sampler or option, or one that cannot do what the problem asks.
    """
    if isinstance(sampler, Sampler):
        if options:
            listed = ", ".join(options)
            raise ProblemError(f"a sampler that is made already takes no options, but got {listed}")
        return sampler
    if callable(sampler):
        return _checked(_made(sampler, getattr(sampler, "__name__", "sampler"), problem, options))
    if problem.preference is not None and sampler in names() and sampler not in _PREFERRING:
        raise ProblemError(
            f"`prefer` is known to the samplers {', '.join(_PREFERRING)}, not to `{sampler}`; "
            "take one of those, or leave `prefer` out"
        )
    if sampler in _OWN:
        module, kind = _OWN[sampler]
        return _made(getattr(import_module(module), kind), sampler, problem, options)
    if sampler in NAMES:
        return _of_optuna(sampler, problem, options)
    for point in entry_points(group=GROUP, name=sampler):
        return _checked(_made(point.load(), sampler, problem, options))
    raise ProblemError(
        f"no sampler `{sampler}`{did_you_mean(sampler, names())} (there are: {', '.join(names())})"
    )


def _checked(made: Any) -> Sampler:
    if not isinstance(made, Sampler):
        raise ProblemError(
            "a sampler is an object of a class derived from plugnas.nas.samplers.Sampler, but got "
            f"{made!r:.80}"
        )
    return made


def _of_optuna(name: str, problem: Problem, options: dict[str, Any]) -> Sampler:
    from plugnas.nas.samplers.optuna.backend import OptunaBackend

    try:
        return OptunaBackend(name, problem, **options)
    except TypeError as error:
        if (unknown := _unknown_option(error)) is None:
            raise
        raise ProblemError(
            f"sampler `{name}` has no option `{unknown}` (see Optuna's sampler)"
        ) from None


def _made(make: Make, name: str, problem: Problem, options: dict[str, Any]) -> Sampler:
    try:
        return make(problem, **options)
    except TypeError as error:
        if (unknown := _unknown_option(error)) is None:
            raise
        known = [p for p in inspect.signature(make).parameters if p != "problem"]
        raise ProblemError(
            f"sampler `{name}` has no option `{unknown}`{did_you_mean(unknown, known)} "
            f"(it has: {', '.join(known) or 'none'})"
        ) from None


def _unknown_option(error: TypeError) -> str | None:
    found = re.search(r"unexpected keyword argument '(\w+)'", str(error))
    return None if found is None else found[1]


def __getattr__(name: str) -> Any:
    if name == "PredictorSampler":  # imports Optuna
        return import_module("plugnas.nas.samplers.optuna.backend").PredictorSampler
    raise AttributeError(f"module 'plugnas.nas.samplers' has no attribute {name!r}")
