"""A search that earlier runs inform: what is read of them, and what is refused."""

from __future__ import annotations

import logging
import math

import numpy as np
import pytest

import plugnas
from plugnas.modules import PlugnasError
from plugnas.nas.cost import FunctionCost
from plugnas.nas.ledger.lines import read
from plugnas.nas.samplers import Problem, create
from plugnas.nas.samplers.known.earlier import earlier
from plugnas.nas.samplers.known.source import Source, informed
from plugnas.space import SearchSpace
from tests.nas.samplers.examples import accuracy, flops, macro_problem
from tests.nas.samplers.examples import run as drive

OBJECTIVES = {"accuracy": "max", "flops": "min"}
NARROW = {f"layer{i}": ["id", "mb3"] for i in range(8)}


def searched(path, choices=NARROW, evaluate=accuracy, trials=20, **more):
    asked = {"cost": flops, "objectives": OBJECTIVES, "trials": trials, "sampler": "random"}
    if more.get("cost", flops) is None:
        asked["objectives"] = {"accuracy": "max"}
    return plugnas.search(
        SearchSpace(choices),
        evaluate=lambda a, rung, seed: {"accuracy": evaluate(a)},
        run_dir=path,
        **{**asked, **more},
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "narrow"
    searched(path)
    return path


def test_what_an_earlier_run_measured_is_expected_here(run):
    problem = macro_problem()
    told = earlier(run, problem)
    assert (len(told.measurements), told.exact, told.dropped) == (20, 20, {})
    source = Source(told, problem)
    codes = problem.space.sample_codes(200, np.random.default_rng(0))
    codes = codes[(codes < 2).all(axis=1)] if (codes < 2).all(axis=1).sum() > 5 else codes % 2
    said = source.values(codes, problem.costs(codes))
    assert said.shape == (len(codes), 1)
    truth = [accuracy(a) for a in problem.space.architectures(codes)]
    assert np.corrcoef(said[:, 0], truth)[0, 1] > 0.7
    assert source.values(codes[:3], problem.costs(codes[:3])) == pytest.approx(said[:3])


def test_a_search_says_what_informs_it_records_it_and_goes_on(run, tmp_path, caplog):
    with caplog.at_level(logging.INFO, "plugnas"):
        found = searched(tmp_path / "b", trials=13, sampler="predictor", from_=[run])
    assert "20 measurements inform the model" in caplog.text
    assert len(found.measurements) == 13
    header = read(tmp_path / "b" / "ledger.jsonl").headers[0]
    assert header["from"] == [str(run)]
    again = searched(tmp_path / "b", trials=14, sampler="predictor", from_=[run])
    assert len({m.architecture.id for m in again.measurements}) == 14


def test_directions_turn_and_a_single_objective_needs_no_common_name(tmp_path):
    errors = {"objectives": {"error": "min", "flops": "min"}}
    plugnas.search(
        SearchSpace(NARROW), evaluate=lambda a, r, s: {"error": 1 - accuracy(a)}, cost=flops,
        trials=5, sampler="random", run_dir=tmp_path / "e", **errors,
    )  # fmt: skip
    told = earlier(tmp_path / "e", macro_problem())
    for m in told.measurements:
        assert m.values["accuracy"] == pytest.approx(accuracy(m.architecture) - 1)


def test_what_has_no_counterpart_is_counted_and_said(tmp_path):
    alone = {"cost": None, "evaluate": lambda a: 0.5}
    searched(tmp_path / "other", {f"layer{i}": ["swin", "vit"] for i in range(8)}, **alone)
    with pytest.raises(PlugnasError, match=r"nothing in common with this space .*counterpart of"):
        earlier(tmp_path / "other", macro_problem())
    searched(tmp_path / "wide", {**NARROW, "layer0": ["id", "mb3", "swin"]}, **alone)
    told = earlier(tmp_path / "wide", macro_problem())
    left = sum(told.dropped.values())
    assert 0 < left < 20 and len(told.measurements) == 20 - left
    assert f"{left} are left out (most often: `layer0` has no counterpart of `swin`)" in told.text


@pytest.mark.parametrize(
    ("changes", "law"),
    [
        ({"from_": ["narow"]}, "narow is no run: .* did you mean `narrow`"),
        ({"from_": ["narrow", "./narrow"]}, "narrow is named twice"),
        ({"from_": ["narrow"], "sampler": "evolution"}, "inform the model of `sampler: predictor`"),
        (
            {"from_": ["narrow"], "choices": {"depth": [1, 2]}, "cost": None},
            "nothing in common with this space",
        ),
        (
            {"from_": ["narrow"], "objectives": {"map50": "max", "f1": "max"}},
            "it measured accuracy, not `map50`",
        ),
        ({"from_": ["broken"]}, "cannot inform this search: nothing in it succeeded"),
        ({"from_": ["narrow"], "run_dir": "narrow"}, "or is this run itself"),
    ],
)
def test_what_cannot_inform_is_refused_in_one_sentence(run, monkeypatch, changes, law):
    monkeypatch.chdir(run.parent)
    if "broken" in changes["from_"] and not (run.parent / "broken").exists():
        with pytest.raises(PlugnasError):
            searched(run.parent / "broken", evaluate=lambda a: math.nan, trials=3)
    options = {"choices": NARROW, "sampler": "predictor", "run_dir": None, **changes}
    path = options.pop("run_dir")
    with pytest.raises(PlugnasError, match=law) as caught:
        searched(path, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("noisy", "least", "most"), [(False, 0.4, 2.0), (True, 0.0, 0.25)])
def test_a_source_is_believed_as_far_as_it_was_right(tmp_path, noisy, least, most):
    rng = np.random.default_rng(0)
    wide = {f"layer{i}": ["id", "mb3", "mb6"] for i in range(5)}
    searched(tmp_path / "a", wide, (lambda a: float(rng.random())) if noisy else accuracy, 40)
    space = SearchSpace(wide)
    problem = Problem(space, OBJECTIVES, cost=FunctionCost(flops, ["flops"], space))
    sampler = create("predictor", informed(problem, (earlier(tmp_path / "a", problem),)))
    drive(sampler, 8)  # later the model knows as much by itself
    _, z = sampler._model.current(0)
    assert least <= float(sampler._model.weights(0, z)[0]) <= most
