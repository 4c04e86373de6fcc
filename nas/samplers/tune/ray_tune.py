"""Ray Tune's searchers and schedulers, made by name; none of them starts a cluster."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ray.tune.schedulers import AsyncHyperBandScheduler, MedianStoppingRule
from ray.tune.schedulers.trial_scheduler import TrialScheduler
from ray.tune.search import SEARCH_ALG_IMPORT, Searcher

from plugnas.modules import did_you_mean
from plugnas.nas.samplers.problem import ProblemError
from plugnas.space import SearchSpace

_KINDS: Mapping[str, Any] = SEARCH_ALG_IMPORT
SEARCHERS = tuple(name for name in _KINDS if name not in ("variant_generator", "random"))
"""Names of Ray Tune's searchers; each needs its own library."""

_SEVERAL = ("optuna",)
"""Searchers that take several objectives."""

_SEEDS = ("seed", "random_state_seed", "random_state", "random_seed")
_OURS = ("space", "metric", "mode", "points_to_evaluate", "evaluated_rewards", "max_concurrent")
_TIME, _VALUE = "training_iteration", "value"


def metrics_of(name: str, objectives: Sequence[str], first: str) -> list[str]:
    """Return the objectives that the named searcher is told: all of them, or the ``first``."""
    return list(objectives) if name in _SEVERAL else [first]


def make_searcher(
    name: str, options: Mapping[str, Any], space: SearchSpace, metrics: Sequence[str], seed: int
) -> Searcher:
    """Return a searcher of Ray Tune that is to make every one of ``metrics`` large.

    Args:
        name: one of ``SEARCHERS``.
        options: of its constructor.
        space: what can be chosen.
        metrics: the names under which it is told values.
        seed: of its random choices, unless ``options`` has one.

    Raises:
        ProblemError: no such searcher or option, or its library is not installed.
    """
    if name not in SEARCHERS:
        raise ProblemError(
            f"search_alg: Ray Tune has no `{name}`{did_you_mean(name, SEARCHERS)} "
            f"(it has: {', '.join(SEARCHERS)})"
        )
    try:
        kind: Any = _KINDS[name]()
        known = [p for p in list(inspect.signature(kind).parameters) if p not in _OURS]
        _check_options("search_alg", name, options, known)
        seeds = {key: seed for key in _SEEDS if key in known}
        one = len(metrics) == 1
        metric, mode = (metrics[0], "max") if one else (list(metrics), ["max"] * len(metrics))
        made: Searcher = kind(metric=metric, mode=mode, **{**seeds, **options})
        logging.getLogger("optuna").setLevel(logging.WARNING)  # it announces a study
        made.set_search_properties(None, None, space.param_space())
    except (ImportError, AssertionError, TypeError, ValueError) as error:
        raise ProblemError(f"search_alg `{name}`: {error}") from error
    return made


def _check_options(what: str, name: str, options: Mapping[str, Any], known: Sequence[str]) -> None:
    for option in options:
        if option not in known:
            raise ProblemError(
                f"{what} `{name}` has no option `{option}`{did_you_mean(option, known)} "
                f"(it has: {', '.join(known) or 'none'})"
            )


class _Controller:
    """What a scheduler asks of the loop that runs trials: here none waits."""

    def get_live_trials(self) -> list[Any]:
        return []


@dataclass(eq=False)
class _Trial:
    trial_id: str


class Scheduler:
    """Says by one of Ray Tune's schedulers whether an architecture goes on to the next rung.

    Every rung of the search is one rung of ``asha``, or one iteration of ``median_stopping_rule``.

    Args:
        name: ``asha`` or ``median_stopping_rule``.
        options: of its constructor: ``reduction_factor``, ``brackets``; ``grace_period``,
            ``min_samples_required``.

    Raises:
        ProblemError: another scheduler or option, or a value that it refuses.
    """

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        if name not in SCHEDULERS:
            raise ProblemError(
                f"scheduler: `{name}` is none{did_you_mean(name, SCHEDULERS)} (there are: "
                f"{', '.join(SCHEDULERS)}; those that pause or change a network while it trains "
                "are not possible here, as each rung is a training of its own)"
            )
        known = SCHEDULERS[name]
        _check_options("scheduler", name, options, known)
        self._trials: dict[str, _Trial] = {}
        self._factor = float(options.get("reduction_factor", 4)) if name != _MEDIAN else None
        try:
            self._scheduler: Any = _make_scheduler(name, options)
        except (AssertionError, TypeError) as error:
            raise ProblemError(f"scheduler `{name}`: {error}") from error

    def goes_on(self, architecture: str, rung: int, value: float) -> bool:
        """Hear the value of an architecture's id at a rung, more is better; say if it goes on."""
        if architecture not in self._trials:
            self._trials[architecture] = _Trial(architecture)
            self._add(self._trials[architecture])
        time = rung + 1 if self._factor is None else self._factor**rung
        told = {_TIME: time, _VALUE: value}
        said = self._scheduler.on_trial_result(_Controller(), self._trials[architecture], told)
        return bool(said == TrialScheduler.CONTINUE)

    def _add(self, trial: _Trial) -> None:
        """Enter a trial; its bracket is drawn by its id, so that a search can be continued."""
        state = np.random.get_state()
        np.random.seed(int(trial.trial_id[:7], 16))
        self._scheduler.on_trial_add(_Controller(), trial)
        np.random.set_state(state)


_MEDIAN = "median_stopping_rule"
SCHEDULERS = {
    "asha": ("reduction_factor", "brackets"),
    _MEDIAN: ("grace_period", "min_samples_required"),
}
"""Schedulers by name -> their options."""


def _make_scheduler(name: str, options: Mapping[str, Any]) -> TrialScheduler:
    common: dict[str, Any] = {"time_attr": _TIME, "metric": _VALUE, "mode": "max"}
    if name == _MEDIAN:
        return MedianStoppingRule(**{"grace_period": 1, **common, **options})
    factor, brackets = options.get("reduction_factor", 4), options.get("brackets", 1)
    return AsyncHyperBandScheduler(
        max_t=max(2, int(factor ** (_RUNGS + brackets))),
        stop_last_trials=False,
        **common,
        **options,
    )


_RUNGS = 12
"""More than a search has."""


__all__ = ["SCHEDULERS", "SEARCHERS", "Scheduler", "make_searcher", "metrics_of"]
