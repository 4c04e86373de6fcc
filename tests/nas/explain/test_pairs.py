"""Matched pairs by hand, and a controlled experiment on real images."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from plugnas.nas.cli import explain as command
from plugnas.nas.explain import ExplainError
from plugnas.nas.explain.design import slots_of
from plugnas.nas.explain.pairs import comparisons
from plugnas.nas.explain.report import explain_run, slot_named
from plugnas.nas.explain.settle import settle, settled
from plugnas.nas.explain.text import pairs_text
from plugnas.nas.front.metric import Metric
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.run.directory import RunDirectory
from plugnas.nas.run.view import RunView
from plugnas.space import SearchSpace
from tests.nas.report.synthetic_run import make_run

ACCURACY = Metric("accuracy", "max", percent=True)
PLAIN = SearchSpace({"attention": ["none", "se", "eca"], "width": [8, 16]})


def m(attention, width, accuracy, seed=0, rung=0, number=0):
    return Measurement(
        number,
        PLAIN.architecture({"attention": attention, "width": width}),
        rung,
        seed,
        "ok",
        {"accuracy": accuracy},
        {"params": 100.0 * width * (1.1 if attention == "se" else 1.0)},
    )


def test_pairs_by_hand():
    slot = slots_of(PLAIN)[0]
    seeds = [m("none", 8, 0.80 + 0.01 * s, s) for s in range(3)]
    seeds += [m("se", 8, 0.90 + 0.01 * s + 0.01 * (s == 2), s, number=7 + s) for s in range(3)]
    other = [m("eca", 16, 0.99), m("eca", 8, 0.5, seed=9), m("se", 8, 1.0, rung=-1)]
    se, reference = comparisons(PLAIN, slot, [*seeds, *other], ACCURACY)
    assert (se.choice, se.against, se.pairs, se.backbones) == ("se", "none", 3, 1)
    gains = [0.1, 0.1, 0.11]
    assert se.gain == pytest.approx(sum(gains) / 3)
    reach = 4.302653 * 0.0057735 / math.sqrt(3)  # t quantile with two degrees of freedom
    assert se.high - se.gain == pytest.approx(reach, rel=1e-4)
    assert se.added["params"] == pytest.approx(0.1)
    assert se.verdict == "pays"
    assert set(se.numbers) == {7, 8, 9}
    assert reference.choice == "none"
    assert reference.value == pytest.approx(0.81)


def test_seeds_of_one_backbone_count_once_among_backbones():
    slot = slots_of(PLAIN)[0]
    records = []
    for width, gain in ((8, 0.02), (16, 0.04)):
        for s in range(3):
            records += [m("none", width, 0.5, s), m("se", width, 0.5 + gain, s)]
    se, _ = comparisons(PLAIN, slot, records, ACCURACY)
    assert (se.pairs, se.backbones) == (6, 2)
    assert se.gain == pytest.approx(0.03)
    assert se.high - se.gain == pytest.approx(12.7062 * 0.0141421 / math.sqrt(2), rel=1e-4)
    assert se.verdict == "not enough evidence"


def test_a_choice_that_leads_out_of_the_budget_is_marked():
    slot = slots_of(PLAIN)[0]
    records = []
    for width in (8, 16):
        for s in range(2):
            records += [m(c, width, 0.5 + 0.01 * s, s) for c in ("none", "se", "eca")]
    budget = {"params": 1600.0}  # width 16 without se
    told = {c.choice: c for c in comparisons(PLAIN, slot, records, ACCURACY, budget=budget)}
    assert {name: c.over_budget for name, c in told.items()} == {"none": 0, "se": 2, "eca": 0}
    text = pairs_text(list(told.values()))
    assert text.count("OVER BUDGET") == 1
    (line,) = [line for line in text.splitlines() if line.strip().startswith("se ")]
    assert line.endswith("OVER BUDGET in 2 of 4")
    none = comparisons(PLAIN, slot, records, ACCURACY, budget={"params": 100.0})
    assert all(c.over_budget == c.pairs for c in none)


def test_one_pair_has_no_interval():
    slot = slots_of(PLAIN)[0]
    se, _ = comparisons(PLAIN, slot, [m("none", 8, 0.5), m("se", 8, 0.9)], ACCURACY)
    assert math.isnan(se.low)
    assert se.verdict == "not enough evidence"
    assert se.to_dict()["low"] is None
    assert comparisons(PLAIN, slot, [m("se", 8, 0.9)], ACCURACY) == []


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A run whose space has two attentions and whose proxy is one epoch on few digits."""
    space = {
        "stem": {"width": 4},
        "stages": [{"width": [4, 8], "depth": 1}],
        "slots": {"attention": ["none", "eca"], "operator": ["conv", "ghost"]},
    }
    return make_run(
        tmp_path_factory.mktemp("settle") / "run",
        trials=6,
        space=space,
        budget={},
        executor="serial",
        device="cpu",
        proxy={"rungs": [{"epochs": 1, "images": 100, "validation_images": 50}]},
    )


def test_settle_trains_pairs_and_goes_on(small, capsys):
    view = RunView.open(small)
    slot = slot_named(view, "attention")
    with pytest.raises(ExplainError, match="--trials 4"):
        settle(view, slot, seeds=2)
    outcome = settle(view, slot, seeds=2, trials=4)
    assert (outcome.reason, outcome.measured) == ("done", 4)
    assert settle(view, slot, seeds=2, trials=4).measured == 0
    assert settle(view, slot, seeds=2, trials=8).measured == 4
    found = settled(view)
    assert len(found) == 8
    assert len(view.measurements) == 6  # the search's own ledger is left alone
    told = explain_run(RunView.open(RunDirectory.read(small.path)))
    ((eca, _),) = told.pairs
    assert (eca.choice, eca.pairs, eca.backbones) == ("eca", 4, 2)
    assert {m.seed for m in found} == {0, 1}

    parser = __import__("argparse").ArgumentParser()
    command.configure(parser)
    assert command.run(parser.parse_args([str(small.path), "--json"])) == 0
    data = json.loads(capsys.readouterr().out)
    assert {c["choice"] for c in data["pairs"]} == {"eca", "none"}
    assert command.run(parser.parse_args([str(small.path)])) == 0
    assert "matched pairs" in capsys.readouterr().out


def test_unknown_slot(small):
    with pytest.raises(ExplainError, match="operator, attention"):
        slot_named(RunView.open(small), "width")


def test_many_choices_share_one_noise_and_intervals_cover():
    """Three seeds of twelve choices: a seed's own level falls out, intervals hold their rate."""
    wide = SearchSpace({"attention": ["none", *(f"a{i}" for i in range(11))]})
    slot = slots_of(wide)[0]
    rng = np.random.default_rng(0)
    hits, widths = [], []
    for _ in range(60):
        true = 0.02 * rng.normal(size=12)
        level = 0.05 * rng.normal(size=3)
        records = []
        for i, choice in enumerate(slot.choices):
            architecture = wide.architecture({"attention": choice})
            for s in range(3):
                value = 0.8 + true[i] + level[s] + 0.005 * float(rng.normal())
                values, costs = {"accuracy": value}, {"params": 1.0}
                records.append(Measurement(i, architecture, 0, s, "ok", values, costs))
        for c in comparisons(wide, slot, records, ACCURACY)[:-1]:
            gain = true[slot.choices.index(c.choice)] - true[0]
            hits.append(c.low <= gain <= c.high)
            widths.append(c.high - c.low)
    assert np.mean(hits) >= 0.90
    assert np.median(widths) < 2.2 * 2.08 * 0.005 * np.sqrt(2 / 3)
