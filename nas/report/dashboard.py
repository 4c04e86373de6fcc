"""A run as Optuna studies, rebuilt from its ledger: for optuna-dashboard and for Optuna's plots."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import optuna

from plugnas.modules import PlugnasError
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.run.view import RunView

_Told = tuple[Measurement, float | None]
"""A measurement, and when it was written (seconds since 1970)."""

_DIRECTION: dict[str, Any] = {"max": "maximize", "min": "minimize"}


class DashboardError(PlugnasError):
    """The dashboard's library is missing."""


def storage_of(view: RunView) -> Any:
    """Return an ``optuna.storages.InMemoryStorage`` with a study for each rung of the run.

    Objectives are the run's; costs, seed, seconds and the architecture's id are user attributes,
    and so is the reason of a failed trial. Values of different rungs never share a study.
    """
    written = dict(zip(view.run.contents.lines, view.run.contents.records, strict=True))
    for misfit in view.misfits:
        del written[misfit.line]
    distributions = _distributions(view)
    by_rung: dict[int, list[_Told]] = defaultdict(list)
    # a search that goes on may have added records since the view was read
    for measurement, record in zip(view.measurements, written.values(), strict=False):
        by_rung[measurement.rung].append((measurement, record.time or None))
    storage = optuna.storages.InMemoryStorage()
    for rung, told in sorted(by_rung.items()):
        name = f"{view.run.path.resolve().name} rung {rung}"
        _add_study(storage, name, told, view.objectives, distributions)
    return storage


def serve(view: RunView, host: str, port: int) -> None:
    """Serve the dashboard of a run until interrupted.

    Raises:
        DashboardError: optuna-dashboard is not installed.
    """
    try:
        from optuna_dashboard import run_server
    except ImportError as error:
        raise DashboardError(
            "nas dashboard needs optuna-dashboard, which is not installed: "
            "pip install 'plugnas[dashboard]'"
        ) from error
    run_server(storage_of(view), host=host, port=port)


def _distributions(view: RunView) -> dict[str, Any]:
    """Return the choices of each parameter: Optuna allows a study no other ones."""
    make = optuna.distributions.CategoricalDistribution
    return {p.name: make(p.choices) for p in view.space.parameters}


def _add_study(
    storage: Any,
    name: str,
    told: Sequence[_Told],
    objectives: Mapping[str, str],
    distributions: Mapping[str, Any],
) -> None:
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(
            storage=storage,
            study_name=name,
            directions=[_DIRECTION[direction] for direction in objectives.values()],
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names(list(objectives))
        study.add_trials(_trial(*each, objectives, distributions) for each in told)
    finally:
        optuna.logging.set_verbosity(level)


def _trial(
    m: Measurement,
    written: float | None,
    objectives: Mapping[str, str],
    distributions: Mapping[str, Any],
) -> Any:
    params = m.architecture.values
    known = {**m.costs, **m.values}
    values: list[Any] = [known.get(name) for name in objectives]
    complete = m.ok and None not in values
    state = optuna.trial.TrialState
    trial = optuna.trial.create_trial(
        state=state.COMPLETE if complete else state.FAIL,
        values=values if complete else None,
        params=params,
        distributions={name: distributions[name] for name in params},
        user_attrs=_attributes(m),
    )
    if written is not None:
        trial.datetime_complete = datetime.fromtimestamp(written)
        trial.datetime_start = trial.datetime_complete - timedelta(seconds=m.seconds)
    return trial


def _attributes(m: Measurement) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "number": m.number,
        "seed": m.seed,
        "attempt": m.attempt,
        "seconds": m.seconds,
        "architecture": m.architecture.id,
        **m.costs,
    }
    return attributes if m.reason is None else {**attributes, "reason": m.reason}


__all__ = ["DashboardError", "serve", "storage_of"]
