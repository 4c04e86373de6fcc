"""The figures of `nas status` are those of the whole view, and take no torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from plugnas.nas.cost import FunctionCost
from plugnas.nas.executors import SerialExecutor
from plugnas.nas.ledger.ledger import Ledger
from plugnas.nas.ledger.lines import read, seal
from plugnas.nas.run.figures import Figures
from plugnas.nas.run.python_run import PythonRun, read_figures, read_run
from plugnas.nas.run.status import as_dict, as_text, status
from plugnas.nas.run.summary import summarise
from plugnas.nas.run.view import RunView
from plugnas.nas.samplers import Problem
from plugnas.nas.samplers.random_search import RandomSearch
from plugnas.nas.study.drive import drive
from plugnas.nas.study.plan import Plan, about, run_plan
from tests.nas.report.synthetic_run import make_run
from tests.nas.runs import SPACE, CountCost, Table, study

ROOT = Path(__file__).parents[3]
COST = FunctionCost(CountCost().cost, ["params"], SPACE)


def searched(path: Path, *, rungs: int, seeds: int, budget: dict[str, float]) -> None:
    """A run of two rungs or seeds, in which every `mb6` of a layer fails, and one diverges."""
    problem = Problem(SPACE, {"accuracy": "max", "params": "min"}, budget, COST, 0)
    plan = Plan(problem, 40, seeds, rungs)
    bad = {a.id: "raise" for codes in SPACE.enumerate() for a in SPACE.architectures(codes)
           if a["layer2"] == "mb6"}  # fmt: skip
    header = about(problem, trials=40, rungs=rungs)
    with Ledger.open(path / "ledger.jsonl", SPACE, cost=COST, about=header) as ledger:
        run_plan(plan, RandomSearch(problem), lambda: SerialExecutor(Table(faults=bad)), ledger)


@pytest.mark.parametrize(
    ("rungs", "seeds", "budget"), [(1, 1, {}), (2, 1, {"params": 300}), (1, 2, {"params": 200})]
)
def test_of_a_search_from_python(tmp_path: Path, rungs: int, seeds: int, budget: dict) -> None:  # type: ignore[type-arg]
    searched(tmp_path, rungs=rungs, seeds=seeds, budget=budget)
    found = Figures.read(read_figures(tmp_path)).summary
    assert found == summarise(RunView.open(read_run(tmp_path)))
    assert found.culprits and found.front and found.hypervolume and found.best


def test_of_a_job_s_run_and_of_one_that_holds_a_misfit(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", trials=40)
    whole = RunView.open(run)
    assert Figures.read(run).summary == summarise(whole)
    best = whole.front[-1]
    record = next(m for m in whole.measurements if m.architecture.id == best.id)
    foreign = {**record.to_dict(), "number": 99, "values": {"accuracy": 1.0}}
    foreign["architecture"] = {"id": "0" * 12, "values": {"no.such": "choice"}}
    with run.ledger.open("ab") as ledger:  # no driver of ours writes it
        ledger.write(seal({**foreign, "time": 1.0}))
    again = Figures.read(type(run).read(run.path))
    assert again.summary == summarise(RunView.open(run))
    assert len(again.fitted.misfits) == 1 and "no.such" in (again.fitted.left_out or "")


def test_status_imports_neither_torch_nor_scipy(tmp_path: Path) -> None:
    """Defect: importing torch took longer than all that status does."""
    run = make_run(tmp_path / "run", trials=12)
    contents = read(run.ledger)
    (header,) = contents.headers
    lines = run.ledger.read_bytes().splitlines(keepends=True)
    run.ledger.write_bytes(b"".join([seal({**header, "rungs": 1}), *lines[1:]]))
    code = (
        "import sys\n"
        "from plugnas.nas.cli import main\n"
        "assert main(['status', sys.argv[1]]) == 0\n"
        "heavy = {'torch', 'scipy', 'sklearn', 'optuna', 'matplotlib', 'ray'} & set(sys.modules)\n"
        "print(sorted(heavy))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(run.path)], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    *text, heavy = done.stdout.splitlines()
    assert heavy == "[]"
    assert "12 of 12 architectures tried" in text[1]
    assert isinstance(read_figures(run.path), PythonRun)


def test_after_a_clock_was_set_back_no_age_is_negative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive(study(tmp_path / "ledger.jsonl", trials=3), SerialExecutor(Table()))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 3600)
    drive(study(tmp_path / "ledger.jsonl", trials=5), SerialExecutor(Table()))
    told = as_dict(state := status(tmp_path))
    assert told["seconds_since_last"] == 0
    assert told["seconds"] >= 0 and told["rate_per_minute"] >= 0
    assert "-" not in as_text(state).split("the last measurement was ")[1].split("\n")[0]
    assert json.loads(json.dumps(told))["tried"] == 5
