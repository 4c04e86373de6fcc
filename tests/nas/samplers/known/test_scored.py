"""Zero-cost scores as hints: worked out once, on a normal scale, and never a reason to end."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from plugnas.nas.cost import FunctionCost
from plugnas.nas.samplers import Problem, create
from plugnas.nas.samplers.known import scored
from plugnas.nas.samplers.known.scored import Scored
from plugnas.space import SearchSpace
from tests.nas.samplers.examples import accuracy, flops, run


@pytest.fixture
def problem(monkeypatch):
    monkeypatch.setattr(scored, "SAMPLE", 40)
    space = SearchSpace({f"layer{i}": ["id", "mb3", "mb6"] for i in range(5)})
    cost = FunctionCost(flops, ["flops"], space)
    return Problem(space, {"accuracy": "max", "flops": "min"}, cost=cost)


@pytest.mark.parametrize("beside", [True, False])
def test_a_score_of_all_is_expected_from_that_of_some(problem, beside):
    asked = []

    def compute(architecture):
        asked.append(architecture.id)
        return {"good": np.exp(40 * accuracy(architecture)), "constant": 3.0}

    hint = Scored(problem, compute, ("good", "constant"), beside=beside)
    codes = problem.space.sample_codes(100, np.random.default_rng(1))
    said = hint.values(codes, problem.costs(codes))
    truth = [accuracy(a) for a in problem.space.architectures(codes)]
    assert said.shape == (100, 2) and not said[:, 1].any()
    assert np.corrcoef(np.argsort(np.argsort(truth)), said[:, 0])[0, 1] > 0.8
    assert len(asked) == len(set(asked)) == 40


def test_what_is_not_finite_is_left_out(problem):
    def compute(architecture):
        odd = architecture["layer0"] == "id"
        return {"some": np.nan if odd else accuracy(architecture), "none": np.nan}

    hint = Scored(problem, compute, ("some", "none"), beside=False)
    codes = problem.space.sample_codes(20, np.random.default_rng(1))
    said = hint.values(codes, problem.costs(codes))
    assert np.isfinite(said).all() and said[:, 0].std() > 0.1 and not said[:, 1].any()


def test_scores_are_kept_and_none_is_worked_out_twice(problem, tmp_path):
    file, calls = tmp_path / "scores.json", []

    def compute(architecture):
        calls.append(architecture.id)
        return {"good": accuracy(architecture) if len(calls) > 1 else np.nan}

    codes = problem.space.sample_codes(9, np.random.default_rng(1))
    first = Scored(problem, compute, ("good",), file=file).values(codes, problem.costs(codes))
    again = Scored(problem, compute, ("good",), file=file).values(codes, problem.costs(codes))
    assert len(calls) == 40 and again == pytest.approx(first)
    kept = json.loads(file.read_text())
    assert kept[calls[0]] == {"good": None}
    file.write_text("{")
    Scored(problem, compute, ("good",), file=file).values(codes, problem.costs(codes))
    assert len(calls) == 80


def test_a_failure_in_the_thread_is_told_to_the_search(problem):
    def compute(architecture):
        raise RuntimeError("no such image")

    hint = Scored(problem, compute, ("good",))
    with pytest.raises(RuntimeError, match="no such image"):
        hint.values(np.zeros((1, 5), dtype=np.int16), np.zeros((1, 1)))


def test_the_predictor_searches_with_scores(problem):
    hint = Scored(problem, lambda a: {"good": accuracy(a)}, ("good",), beside=False)
    sampler = create("predictor", replace(problem, hints=(hint,)))
    assert len({a.id for a in run(sampler, 14)}) == 14
