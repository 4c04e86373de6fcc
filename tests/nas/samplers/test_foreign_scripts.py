"""The two scripts of those who search with another tool, run as they stand."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import optuna
import pytest

from plugnas import nas
from plugnas.nas.cost import FunctionCost
from plugnas.nas.samplers.optuna.pruning import KEY
from plugnas.space import SearchSpace

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "experiments" / "examples"


def test_the_optuna_script_trains_nothing_twice_and_nothing_above_the_budget(monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.setattr(sys, "argv", ["in_optuna.py", "8"])
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    done = runpy.run_path(str(EXAMPLES / "in_optuna.py"), run_name="__main__")
    space, trials = done["space"], done["study"].trials
    trained = [t for t in trials if t.state.name == "COMPLETE"]
    ids = [space.architecture(t.params).id for t in trained]
    assert len(trials) == 8 and trained and len(set(ids)) == len(ids)
    assert all(t.values[1] <= 600_000 for t in trained)
    assert all(t.state.name == "PRUNED" for t in trials if t not in trained)
    assert len(capsys.readouterr().out.splitlines()) == len(done["study"].best_trials)


@pytest.mark.ray
def test_the_ray_tune_script_runs_as_it_stands():
    pytest.importorskip("ray")
    patient = {"RAY_raylet_start_wait_time_s": "300", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "in_ray_tune.py", "4"], cwd=EXAMPLES, capture_output=True, text=True,
        env={**os.environ, **patient, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    error, architecture = done.stdout.splitlines()[-1].split(" ", 1)
    assert 0 < float(error) < 3 and '"stage1.width":' in architecture


SPACE = SearchSpace({"a": ["x", "y"], "b": [1, 2, 3]})
BUDGET = nas.HardBudget(
    SPACE, {"flops": 2}, FunctionCost(lambda a: {"flops": float(a["b"])}, ["flops"], SPACE)
)


def test_a_network_is_trained_once_unless_it_failed():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study()
    for _ in range(3):
        study.enqueue_trial({"a": "x", "b": 1})
    study.enqueue_trial({"a": "x", "b": 3})
    fails = iter([True, False])

    def objective(trial):
        architecture = SPACE.suggest(trial)
        nas.prune_if_seen(trial, architecture)
        nas.prune_if_over(trial, architecture, BUDGET)
        if next(fails):
            raise ValueError("out of memory")
        return 0.5

    study.optimize(objective, n_trials=4, catch=ValueError)
    assert [t.state.name for t in study.trials] == ["FAIL", "COMPLETE", "PRUNED", "PRUNED"]
    assert study.trials[0].user_attrs[KEY] == study.trials[2].user_attrs[KEY]
    assert study.trials[3].user_attrs["plugnas_refusal"] == "flops is 3, above the limit of 2"
