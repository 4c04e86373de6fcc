"""Samplers: which architecture is measured next. ``create(name, problem)`` makes one."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from typing import Any

from plugnas.modules import did_you_mean
from plugnas.nas.samplers.base import Sampler
from plugnas.nas.samplers.problem import Problem, ProblemError, SpaceExhausted

NAMES = ("predictor", "evolution", "random", "tpe", "nsga2", "nsga3", "gp", "grid")
"""Samplers by name; ``predictor`` is the default."""

_OWN = {
    "predictor": ("plugnas.nas.samplers.predictor.predictor", "Predictor"),
    "evolution": ("plugnas.nas.samplers.evolution", "Evolution"),
    "random": ("plugnas.nas.samplers.random_search", "RandomSearch"),
}

__all__ = [
    "NAMES",
    "Problem",
    "ProblemError",
    "Sampler",
    "SpaceExhausted",
    "create",
]


def create(name: str, problem: Problem, **options: Any) -> Sampler:
    """Return a new sampler for a problem.

    Raises:
        ProblemError: no such sampler or option, or one that cannot do what the problem asks.
    """
    if name not in NAMES:
        raise ProblemError(
            f"no sampler `{name}`{did_you_mean(name, NAMES)} (there are: {', '.join(NAMES)})"
        )
    module, kind = _OWN.get(name, ("plugnas.nas.samplers.optuna.backend", "OptunaBackend"))
    make = getattr(import_module(module), kind)
    try:
        return make(problem, **options) if name in _OWN else make(name, problem, **options)
    except TypeError as error:
        unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        if unknown is None:
            raise
        known = [p for p in inspect.signature(make).parameters if p != "problem"]
        listed = f"it has: {', '.join(known) or 'none'}" if name in _OWN else "see Optuna's sampler"
        raise ProblemError(
            f"sampler `{name}` has no option `{unknown[1]}`{did_you_mean(unknown[1], known)} "
            f"({listed})"
        ) from None


def __getattr__(name: str) -> Any:
    if name == "PredictorSampler":  # imports Optuna
        return import_module("plugnas.nas.samplers.optuna.backend").PredictorSampler
    raise AttributeError(f"module 'plugnas.nas.samplers' has no attribute {name!r}")
