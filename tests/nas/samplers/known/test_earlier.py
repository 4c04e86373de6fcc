"""A search that earlier runs inform: what is read of them, and what is refused."""

from __future__ import annotations

import logging
import math

import numpy as np
import pytest

import plugnas
from plugnas.modules import PlugnasError
from plugnas.nas.ledger.lines import read
from plugnas.nas.samplers.known.earlier import earlier
from plugnas.nas.samplers.known.source import Source
from plugnas.space import SearchSpace
from tests.nas.samplers.examples import accuracy, flops, macro_problem

OBJECTIVES = {"accuracy": "max", "flops": "min"}
NARROW = {f"layer{i}": ["id", "mb3"] for i in range(8)}


def searched(path, choices=NARROW, evaluate=accuracy, trials=20, **more):
    asked = {"cost": flops, "objectives": OBJECTIVES, "trials": trials, "sampler": "random"}
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
    searched(tmp_path / "wide", {f"layer{i}": ["id", "mb3", "swin"] for i in range(8)},
             lambda a: float(sum(v == "swin" for v in a.values.values())) / 8, cost=None,
             objectives={"accuracy": "max"})  # fmt: skip
    with pytest.raises(PlugnasError, match="nothing in common with this space .*counterpart of"):
        earlier(tmp_path / "wide", macro_problem())
    searched(tmp_path / "some", {"layer0": ["id", "mb3", "swin"], **NARROW}, cost=None,
             evaluate=lambda a: 0.5, objectives={"accuracy": "max"})  # fmt: skip
    wide = {"layer0": ["id", "mb3", "swin"], **{f"layer{i}": ["id", "mb3"] for i in range(1, 8)}}
    searched(tmp_path / "one", wide, lambda a: 0.5, cost=None, objectives={"accuracy": "max"})
    told = earlier(tmp_path / "one", macro_problem())
    left = sum(told.dropped.values())
    assert 0 < left < 20 and len(told.measurements) == 20 - left
    assert f"{left} are left out (most often: `layer0` has no counterpart of `swin`)" in told.text


@pytest.mark.parametrize(
    ("changes", "law"),
    [
        ({"from_": ["narow"]}, "narow is no run: .* did you mean `narrow`"),
        ({"from_": ["narrow", "./narrow"]}, "narrow is named twice"),
        ({"from_": ["narrow"], "sampler": "evolution"}, "inform the model of `sampler: predictor`"),
        ({"from_": ["narrow"], "choices": {"depth": [1, 2]}}, "nothing in common with this space"),
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


def test_a_source_that_says_the_truth_helps_and_one_of_noise_is_not_believed(tmp_path):
    rng = np.random.default_rng(0)
    whole = {f"layer{i}": ["id", "mb3", "mb6"] for i in range(8)}
    searched(tmp_path / "true", whole, trials=60)
    searched(tmp_path / "noise", whole, lambda a: float(rng.random()), trials=60)
    best = {}
    for name in ("true", "noise"):
        problem = macro_problem()
        from plugnas.nas.samplers import create
        from plugnas.nas.samplers.known.source import informed
        from tests.nas.samplers.examples import run as drive

        sampler = create("predictor", informed(problem, (earlier(tmp_path / name, problem),)))
        drive(sampler, 20)
        model = sampler._model
        _, z = model.current(0)
        best[name] = float(model.weights(0, z)[0])
    assert best["true"] > 0.5 > 0.2 > best["noise"]
