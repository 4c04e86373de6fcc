"""A run rebuilt as Optuna studies."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from plugnas.nas.executors import SerialExecutor
from plugnas.nas.ledger.ledger import Ledger
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.report.dashboard import DashboardError, optuna, serve, storage_of
from plugnas.nas.run.view import open_run
from plugnas.nas.study.drive import drive
from plugnas.space import SearchSpace
from tests.nas.executors.test_executors import ids
from tests.nas.runs import CHOICES, Table, found, study


def test_studies_say_what_the_ledger_says(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    run = study(path, trials=20)
    drive(run, SerialExecutor(Table(faults={ids(3)[2]: "nan"})))
    longer = SearchSpace({name: ["ghost", *choices] for name, choices in CHOICES.items()})
    ghost = longer.architecture(dict.fromkeys(CHOICES, "ghost"))
    with Ledger.open(path, longer) as ledger:
        ledger.append(
            Measurement(20, ghost, 0, 0, "ok", values={"accuracy": 0.5}, costs={"params": 1.0})
        )
        ledger.append(
            Measurement(20, ghost, 1, 0, "ok", values={"accuracy": 0.6}, costs={"params": 1.0})
        )
    storage = storage_of(open_run(tmp_path))
    names = optuna.get_all_study_names(storage)
    assert names == [f"{tmp_path.name} rung 0", f"{tmp_path.name} rung 1"]
    low = optuna.load_study(study_name=names[0], storage=storage)
    assert [d.name for d in low.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert low.metric_names == ["accuracy", "params"]
    done = low.get_trials(states=[optuna.trial.TrialState.COMPLETE])
    told = {(t.user_attrs["number"], t.values[0], t.values[1]) for t in done}
    expected = {(m[0], m[4][0][1], m[5][0][1]) for m in found(run.measurements)}
    assert told == expected | {(20, 0.5, 1.0)}
    (failed,) = low.get_trials(states=[optuna.trial.TrialState.FAIL])
    assert failed.user_attrs["reason"] == "diverged: accuracy is nan"
    assert done[0].params == run.measurements[0].architecture.values
    assert done[0].datetime_complete >= done[0].datetime_start


def test_no_run_and_no_dashboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drive(study(tmp_path / "ledger.jsonl", trials=1), SerialExecutor(Table()))
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    with pytest.raises(DashboardError, match="pip install"):
        serve(open_run(tmp_path), "127.0.0.1", 0)
