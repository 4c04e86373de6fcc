"""What a job knows before it measures anything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from plugnas.modules import PlugnasError
from plugnas.nas.job.config import parse
from plugnas.nas.job.known import with_hints
from plugnas.nas.job.prepared import prepare
from plugnas.nas.proxy.scorer import Scorer

SPACE = {
    "stem": {"width": [4, 8]},
    "stages": [{"width": 8, "depth": 1}],
    "slots": {"attention": ["none", "se", "eca"]},
}


def prepared(**changes):
    rungs = [{"epochs": 1, "images": 64}]
    job = {"space": SPACE, "data": "digits", "trials": 4, "proxy": {"rungs": rungs}}
    return prepare(parse({**job, **changes}), Path())


LONG = {"trials": 2000, "proxy": {"rungs": [{"epochs": 30}]}, "executor": "serial"}


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ({}, False),  # a search so short that scores would cost much of it
        (LONG, True),
        ({**LONG, "zero_cost": "off"}, False),
        ({**LONG, "timeout": 60}, False),
        ({**LONG, "sampler": "random"}, False),
    ],
)
def test_scores_are_asked_for_where_they_cost_next_to_nothing(tmp_path, changes, asked):
    known, said = with_hints(prepared(**changes), tmp_path)
    names = [hint.name for hint in known.problem.hints]
    assert ("zero-cost scores" in names) == asked
    assert ("synflow" in " ".join(said)) == asked


@pytest.mark.parametrize(("seconds", "asked"), [(0.1, True), (0.3, False)])
def test_scores_that_a_timeout_has_no_time_for_are_left_out(tmp_path, monkeypatch, seconds, asked):
    clock = [0.0]

    def slow(scorer, architecture):
        clock[0] += seconds  # 96 networks may take half a percent of an hour: 18 s
        return dict.fromkeys(scorer.names, 1.0)

    monkeypatch.setattr(Scorer, "__call__", slow)
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    known, _ = with_hints(prepared(**{**LONG, "timeout": 3600}), tmp_path)
    assert ("zero-cost scores" in [hint.name for hint in known.problem.hints]) == asked


@pytest.mark.parametrize(
    ("changes", "informed"),
    [
        ({}, False),
        ({"prior": "none"}, False),
        ({"prior": "default"}, True),
        ({"prior": "default", "sampler": "random"}, False),
        ({"prior": "default", "space": {**SPACE, "slots": {"attention": "se"}}}, False),
    ],
)
def test_effects_of_modules_inform_the_predictor_where_they_are_asked_for(
    tmp_path, changes, informed
):
    known, said = with_hints(prepared(**changes), tmp_path)
    assert ["modules on other images"] * informed == [h.name for h in known.problem.hints]
    assert ("`prior: none`" in " ".join(said)) == informed


def test_networks_are_scored_at_the_last_rung_s_resolution(tmp_path, monkeypatch):
    sides = set()

    def score(name, network, images, *rest):
        sides.add(images.shape[-1])
        return 1.0

    monkeypatch.setattr("plugnas.nas.proxy.scorer.zero_cost", score)
    rungs = [{"epochs": 1, "images": 64}, {"epochs": 60, "resolution": 4}]
    known, _ = with_hints(prepared(**{**LONG, "proxy": {"rungs": rungs}}), tmp_path)
    codes = known.space.sample_codes(1, np.random.default_rng(0))
    known.problem.hints[-1].values(codes, known.problem.costs(codes))
    assert sides == {4}


@pytest.mark.parametrize(
    ("changes", "law"),
    [
        ({"prefer": {"atention": "se"}}, "did you mean `attention`"),
        ({"prefer": {"attention": "cbam"}}, "no choice or family `cbam`"),
        ({"prefer": {"attention": "se"}, "sampler": "tpe"}, "`prefer` is known to the samplers"),
        ({"from": ["runs/a"], "sampler": "random"}, "inform the model of `sampler: predictor`"),
        ({"from": "runs/a"}, "from: expected"),
    ],
)
def test_what_cannot_be_known_is_refused_with_the_job(changes, law):
    with pytest.raises(PlugnasError, match=law):
        prepared(**changes)


def test_a_run_that_is_not_there_is_said_before_the_search(tmp_path):
    with pytest.raises(PlugnasError, match="from: runs/none is no run: there is no ledger.jsonl"):
        prepared(**{"from": ["runs/none"]}).with_earlier(tmp_path)
