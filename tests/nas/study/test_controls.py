"""Controls are measured first and reach the last rung, whatever a sampler proposes."""

from __future__ import annotations

from dataclasses import replace

from plugnas.nas.ledger.ledger import Ledger
from plugnas.nas.samplers import create
from plugnas.nas.study.rungs import Rungs
from plugnas.nas.study.study import Study
from plugnas.nas.testing import accuracy, macro_problem, measured


def driven(trials, *, ledger=None, rungs=3, stop=None):
    problem = macro_problem()
    control = problem.space.architecture({f"layer{i}": "id" for i in range(8)})
    sampler = create("predictor", problem)
    study = Study(
        problem, sampler, ledger, trials=trials, first=[control],
        rungs=Rungs(problem, rungs, sampler=sampler, trials=trials),
    )  # fmt: skip
    told = []
    while (task := study.ask()) is not None and len(told) != stop:
        found = measured(task.number, task.architecture, rung=task.rung)
        value = {"accuracy": accuracy(task.architecture)}
        told.append(study.tell(replace(found, values=value, seed=task.seed)))
    return control, told


def test_the_control_comes_first_and_climbs_though_it_is_the_worst():
    control, told = driven(12)
    assert told[0].architecture == control and told[0].number == 0
    assert {m.rung for m in told if m.architecture == control} == {0, 1, 2}
    keys = [(m.architecture.id, m.rung) for m in told]
    assert len(keys) == len(set(keys))
    assert len({m.architecture.id for m in told}) == 12


def test_a_resumed_search_measures_no_control_twice(tmp_path):
    problem = macro_problem()
    for stop in (1, 5, None):
        with Ledger.open(tmp_path / "ledger.jsonl", problem.space, cost=problem.cost) as ledger:
            control, _ = driven(12, ledger=ledger, stop=stop)
    with Ledger.open(tmp_path / "ledger.jsonl", problem.space, cost=problem.cost) as ledger:
        keys = [m.key for m in ledger.measurements]
    assert len(keys) == len(set(keys))
    assert sorted(rung for name, rung, _ in keys if name == control.id) == [0, 1, 2]
