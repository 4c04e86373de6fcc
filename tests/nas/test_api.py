"""The Python API: one's own objective over a plain space."""

from __future__ import annotations

import json
import math
import sys

import pytest

from plugnas import nas
from plugnas.modules import PlugnasError
from plugnas.nas.samplers import create
from plugnas.space import SearchSpace

CHOICES = {f"layer{i}": ["id", "mb3", "mb6"] for i in range(4)}
VALUE = {"id": 0.0, "mb3": 0.1, "mb6": 0.15}
PRICE = {"id": 0.0, "mb3": 1e6, "mb6": 3e6}
SPACE = SearchSpace(CHOICES)


def accuracy(architecture, rung, seed):
    return {"accuracy": 0.3 + sum(VALUE[v] for v in architecture.values.values())}


def flops(architecture):
    return {"flops": 1e6 + sum(PRICE[v] for v in architecture.values.values())}


def search(**changes):
    arguments = {
        "evaluate": accuracy,
        "cost": flops,
        "objectives": {"accuracy": "max", "flops": "min"},
        "trials": 30,
        "seed": 1,
        **changes,
    }
    return nas.search(arguments.pop("space", SPACE), **arguments)


def test_the_default_sampler_finds_the_front():
    result = search(budget={"flops": 8e6})
    assert len(result.measurements) == 30
    assert len({m.architecture.id for m in result.measurements}) == 30
    assert all(m.costs["flops"] <= 8e6 for m in result.measurements)
    front = [(m.costs["flops"], round(m.values["accuracy"], 3)) for m in result.front]
    assert front == [
        (1e6, 0.3), (2e6, 0.4), (3e6, 0.5), (4e6, 0.6), (5e6, 0.7), (7e6, 0.75)
    ]  # fmt: skip
    assert result.pick("flops<=4M").values["accuracy"] == pytest.approx(0.6)
    assert result.reason == "done"
    rows = result.table()
    assert rows[0]["layer0"] in CHOICES["layer0"]
    assert all(not isinstance(v, dict | list) for row in rows for v in row.values())


@pytest.mark.parametrize("sampler", ["random", "tpe", "nsga2", "evolution", "grid"])
def test_every_sampler_exhausts_a_small_space(sampler):
    small = SearchSpace({"a": ["id", "mb3", "mb6"], "b": ["id", "mb3"]})
    result = search(space=small, sampler=sampler, trials=50)
    assert result.reason == "exhausted"
    assert len({m.architecture.id for m in result.measurements}) == 6


def test_without_a_run_directory_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    search(trials=3, sampler="random")
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_continued_and_nothing_is_done_twice(tmp_path):
    asked = []

    def evaluate(architecture, rung, seed):
        asked.append(architecture.id)
        return accuracy(architecture, rung, seed)

    search(evaluate=evaluate, trials=8, run_dir=tmp_path / "run")
    result = search(evaluate=evaluate, trials=20, run_dir=tmp_path / "run")
    assert len(asked) == len(set(asked)) == 20
    whole = search(trials=20)
    assert [m.architecture for m in result.measurements] == [
        m.architecture for m in whole.measurements
    ]
    lines = (tmp_path / "run/ledger.jsonl").read_text().splitlines()
    assert sum("ledger" not in json.loads(line) for line in lines) == 20


def test_failures_are_recorded_with_their_reason():
    def evaluate(architecture, rung, seed):
        if architecture["layer0"] == "mb6":
            raise ValueError("mb6 does not fit")
        if architecture["layer0"] == "mb3":
            return {"accuracy": math.nan}
        return accuracy(architecture, rung, seed)

    result = search(evaluate=evaluate, trials=40, sampler="random")
    reasons = {m.architecture["layer0"]: m.reason for m in result.failures}
    assert "mb6 does not fit" in reasons["mb6"]
    assert reasons["mb3"].startswith("diverged: accuracy is nan")
    assert all(m.architecture["layer0"] == "id" for m in result.front)


def test_inf_never_enters_the_front():
    def evaluate(architecture, rung, seed):
        return accuracy(architecture, rung, seed) if seed else {"accuracy": math.inf}

    result = search(evaluate=evaluate, seeds=2, trials=5, sampler="random")
    assert all(math.isfinite(m["accuracy"]) for m in result.front)
    with pytest.raises(PlugnasError, match="accuracy is inf"):
        search(evaluate=lambda a, r, s: {"accuracy": math.inf}, trials=5, sampler="random")


@pytest.mark.parametrize(
    ("changes", "law"),
    [
        ({"objectives": {"accuracy": "up"}}, "max or min"),
        ({"objectives": {"flops": "min"}}, "known cost"),
        ({"objectives": {"watts": "min", "flops": "min"}}, "watts"),
        ({"budget": {"flop": 1.0}}, "did you mean `flops`"),
        ({"budget": {"flops": 10.0}}, "cheapest has flops = 1M"),
        ({"sampler": "predictro"}, "did you mean `predictor`"),
        ({"prior": "off"}, "prior is `default` or `none`"),
        ({"trials": 0}, "at least one trial"),
        ({"cost": lambda a: 3}, "mapping"),
        ({"evaluate": lambda a, r, s: 1.0}, "mapping"),
    ],
)
def test_bad_input(changes, law):
    with pytest.raises(PlugnasError, match=law):
        search(**changes)


def test_a_space_with_one_member():
    result = search(space=SearchSpace({"a": ["mb3"]}), trials=5)
    assert result.reason == "exhausted"
    assert len(result.measurements) == 1


def test_one_objective_within_budget():
    result = search(objectives={"accuracy": "max"}, budget={"flops": 6e6}, trials=25)
    assert result.pick("best").values["accuracy"] == pytest.approx(0.7)
    assert len(result.front) == 1


def test_several_seeds_are_averaged():
    result = search(
        evaluate=lambda a, r, s: {"accuracy": 0.1 * s}, seeds=3, trials=4, sampler="random"
    )
    assert len(result.measurements) == 12
    assert all(m.n == 3 and m["accuracy"] == pytest.approx(0.1) for m in result.members)


def torch_is_here(architecture, rung, seed):
    return {"accuracy": float("torch" in sys.modules)}


def test_workers_run_beside_each_other():
    """Defect: each loaded torch and the zoo, five seconds, for a function that needs neither."""
    result = search(evaluate=torch_is_here, trials=6, workers=2, sampler="random")
    assert {m.values["accuracy"] for m in result.measurements} == {0.0}
    assert len({m.worker for m in result.measurements}) <= 2
    alone = search(trials=6, sampler="random")
    assert {m.architecture for m in result.measurements} == {
        m.architecture for m in alone.measurements
    }


def test_a_network_space_brings_its_own_costs():
    config = {"stages": [{"width": [4, 8]}], "slots": {"attention": ["none", "se"]}}
    networks = SearchSpace.from_config(config, (1, 8, 8), 10)
    result = search(
        space=networks,
        cost=None,
        evaluate=lambda a, r, s: {"accuracy": 0.5},
        budget={"params": 1e6},
        trials=4,
        sampler="random",
    )
    first = result.measurements[0]
    built = networks.build(first.architecture)
    assert first.costs["params"] <= sum(p.numel() for p in built.parameters())


@pytest.mark.parametrize(("prior", "hints"), [({"prior": "default"}, 1), ({}, 0)])
def test_effects_of_modules_inform_a_network_space_where_they_are_asked_for(prior, hints):
    config = {"stages": [{"width": [4, 8]}], "slots": {"attention": ["none", "se"]}}
    given = []

    def make(problem):
        given.append(problem.hints)
        return create("random", problem)

    networks = SearchSpace.from_config(config, (1, 8, 8), 10)
    for space in (networks, SPACE):
        arguments = {
            "evaluate": lambda a, r, s: {"accuracy": 0.5},
            "cost": lambda a: {"flops": 1.0},
        }
        search(space=space, trials=1, sampler=make, **arguments, **prior)
    assert [len(found) for found in given] == [hints, 0]


def test_what_the_budget_refuses_is_counted():
    seen = []
    search(
        budget={"flops": 4e6},
        trials=5,
        sampler="random",
        on_event=lambda event: seen.append(event.study.sampler.refused),
    )
    over = sum(flops(a)["flops"] > 4e6 for a in SPACE.architectures(next(SPACE.enumerate())))
    assert seen[-1] == over


@pytest.mark.parametrize("trials", [2, 30])
def test_a_search_in_which_nothing_succeeds_says_why(trials):
    def broken(architecture, rung, seed):
        raise ValueError("no such device")

    with pytest.raises(PlugnasError, match=r"all of the first (2|10) arch.*no such device"):
        search(evaluate=broken, trials=trials, sampler="random")
