"""A space in the words of other search tools: Optuna's trials, Ray Tune's search space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plugnas.space.errors import SpaceError
from plugnas.space.parameter import Parameter, Token, Trial


def suggested(parameters: Sequence[Parameter], trial: Trial) -> dict[str, Token]:
    """Ask an Optuna trial for every active parameter, in order, and return what it says."""
    values: dict[str, Token] = {}
    for p in parameters:
        if p.parent is None or values.get(p.parent) in p.when:
            values[p.name] = trial.suggest_categorical(p.name, p.choices)
    return values


def param_space(parameters: Sequence[Parameter]) -> dict[str, Any]:
    """Return every parameter as ``ray.tune.choice`` of its values.

    Raises:
        SpaceError: Ray Tune is not installed.
    """
    try:
        from ray import tune
    except ImportError:
        raise SpaceError("param_space() needs Ray Tune: pip install 'plugnas[ray]'") from None
    return {p.name: tune.choice(list(p.choices)) for p in parameters}
