"""A run as Optuna studies, rebuilt from its ledger: for optuna-dashboard and for Optuna's plots."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from plugnas.modules import PlugnasError
from plugnas.nas.ledger.ledger import Contents, read
from plugnas.nas.run.status import LEDGER, StatusError
from plugnas.nas.samplers.optuna import backend as optuna_backend

optuna = optuna_backend.optuna
_DIRECTION: dict[str, Any] = {"max": "maximize", "min": "minimize"}


class DashboardError(PlugnasError):
    """The dashboard's library is missing."""


def storage_of(run_dir: str | Path) -> Any:
    """Return an ``optuna.storages.InMemoryStorage`` with a study for each rung of the run.

    Objectives are the run's; costs, seed, seconds and the architecture's id are user attributes,
    and so is the reason of a failed trial. Values of different rungs never share a study.

    Raises:
        StatusError: there is no ledger. LedgerError: it is damaged.
    """
    run_dir = Path(run_dir)
    if not (run_dir / LEDGER).exists():
        raise StatusError(f"A run directory holds a {LEDGER}, but {run_dir} has none.")
    contents = read(run_dir / LEDGER)
    objectives: Mapping[str, str] = {"accuracy": "max"}
    for header in contents.headers:
        objectives = header.get("objectives", objectives)
    distributions = _distributions(contents)
    by_rung: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for record in contents.records:
        by_rung[record["rung"]].append(record)
    storage = optuna.storages.InMemoryStorage()
    for rung, records in sorted(by_rung.items()):
        _add_study(
            storage, f"{run_dir.resolve().name} rung {rung}", records, objectives, distributions
        )
    return storage


def serve(run_dir: str | Path, host: str, port: int) -> None:
    """Serve the dashboard of a run until interrupted.

    Raises:
        DashboardError: optuna-dashboard is not installed.
    """
    try:
        from optuna_dashboard import run_server
    except ImportError as error:
        raise DashboardError(
            "nas dashboard needs optuna-dashboard, which is not installed: "
            "pip install 'plugnas[dashboard]' (or pip install optuna-dashboard)"
        ) from error
    run_server(storage_of(run_dir), host=host, port=port)


def _distributions(contents: Contents) -> dict[str, Any]:
    """Return for each parameter all values it ever had: Optuna allows a study no other ones."""
    choices: dict[str, dict[Any, None]] = defaultdict(dict)
    for header in contents.headers:
        for name, entry in header.get("parameters", {}).items():
            choices[name].update(dict.fromkeys(entry["choices"]))
    for record in contents.records:
        for name, value in record["architecture"]["values"].items():
            choices[name][value] = None
    make = optuna.distributions.CategoricalDistribution
    return {name: make(tuple(values)) for name, values in choices.items()}


def _add_study(
    storage: Any,
    name: str,
    records: Sequence[Mapping[str, Any]],
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
        study.add_trials(_trial(record, objectives, distributions) for record in records)
    finally:
        optuna.logging.set_verbosity(level)


def _trial(
    record: Mapping[str, Any], objectives: Mapping[str, str], distributions: Mapping[str, Any]
) -> Any:
    params = record["architecture"]["values"]
    known = {**record.get("costs", {}), **record.get("values", {})}
    values: list[Any] = [known.get(name) for name in objectives]
    complete = record["status"] == "ok" and None not in values
    state = optuna.trial.TrialState
    trial = optuna.trial.create_trial(
        state=state.COMPLETE if complete else state.FAIL,
        values=values if complete else None,
        params=params,
        distributions={name: distributions[name] for name in params},
        user_attrs=_attributes(record),
    )
    if "time" in record:
        trial.datetime_complete = datetime.fromtimestamp(record["time"])
        seconds = timedelta(seconds=record.get("seconds") or 0.0)
        trial.datetime_start = trial.datetime_complete - seconds
    return trial


def _attributes(record: Mapping[str, Any]) -> dict[str, Any]:
    attributes = {name: record.get(name) for name in ("number", "seed", "attempt", "seconds")}
    attributes["architecture"] = record["architecture"].get("id")
    attributes.update(record.get("costs", {}))
    if record.get("reason"):
        attributes["reason"] = record["reason"]
    return attributes


__all__ = ["DashboardError", "serve", "storage_of"]
