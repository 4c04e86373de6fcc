"""Intervals that cover, verdicts that follow from them, errors that name the law."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from plugnas.nas.explain import ExplainError, explain
from plugnas.nas.explain.design import content, filled, shares, slots_of, without
from plugnas.nas.explain.effects import _explanation, _points
from plugnas.nas.explain.report import explain_run
from plugnas.nas.explain.verdicts import WORTH, judge
from plugnas.nas.front.metric import Metric
from plugnas.nas.machine.duration import spoken
from plugnas.nas.run.seconds import side_by_side
from plugnas.nas.run.view import RunView
from plugnas.space import SearchSpace
from tests.nas.explain.planted import SLOTS, SPACE, Planted, rows
from tests.nas.report.synthetic_run import EFFECTS, make_run

REPETITIONS = 100
ACCURACY = Metric("accuracy", "max", percent=True)


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    return RunView.open(make_run(tmp_path_factory.mktemp("explain") / "run", trials=120))


@pytest.mark.parametrize(
    ("scale", "interactions"), [("log-odds", 0.3), ("linear", 0.3), ("log-odds", 1.0)]
)
def test_intervals_cover_planted_effects_under_a_biased_sampler(scale, interactions):
    hits, biases, widths = [], [], []
    for repetition in range(REPETITIONS):
        planted = Planted(np.random.default_rng(repetition), scale=scale, interactions=interactions)
        found = _explanation(rows(*planted.search(64)), SPACE, ACCURACY, ("flops",), WORTH)
        for slot in SLOTS:
            for e in found.of(slot.name):
                true = planted.effect(slot, e.choice)
                true = _points(true, "log-odds", found.at) if scale == "log-odds" else 0.02 * true
                hits.append(e.low <= true <= e.high)
                biases.append(e.effect - true)
                widths.append(e.high - e.low)
    assert len(hits) > 0.9 * REPETITIONS * 8
    assert np.mean(hits) >= 0.90
    # and they cover because they are right, not because they are wide
    assert np.sqrt(np.mean(np.square(biases))) < 0.6 * np.mean(widths)
    assert np.median(widths) < 0.04
    assert abs(np.mean(biases)) < 0.003


def test_raw_averages_would_mislead_where_the_model_does_not():
    """Larger networks get `se` here: its average is far above the rest and its effect nothing."""
    rng = np.random.default_rng(0)
    planted = Planted(rng, scale="linear", interactions=0.0, noise=0.1)
    planted.effects[:] = 0
    codes = SPACE.sample_codes(400, rng)
    x = shares(SPACE, SLOTS[1], codes)
    flops = rows(codes, np.zeros(len(codes))).costs[:, 0]
    large = flops > np.median(flops)
    se = x[:, SLOTS[1].choices.index("se")]
    kept = np.where(large, se > 0, se == 0)
    codes, se = codes[kept], se[kept]
    _, y = planted.measure(codes)
    naive = y[se > 0].mean() - y[se == 0].mean()
    found = _explanation(rows(codes, y), SPACE, ACCURACY, ("flops",), WORTH)
    (effect,) = [e for e in found.of("attention") if e.choice == "se"]
    assert naive > 0.008
    assert abs(effect.effect) < 0.3 * naive
    assert effect.low <= 0 <= effect.high


def test_a_run_names_what_was_planted(view):
    found = explain(view.space, view.measurements, view.metric, ["flops"])
    by = {e.choice: e for e in found.effects}
    assert by["eca"].verdict == "pays"
    assert by["simam"].verdict == "does not pay"
    assert EFFECTS["aff"] == 0
    assert by["aff"].low <= 0 <= by["aff"].high
    assert by["se"].low <= 0 <= by["se"].high
    assert by["eca"].against == "none"
    holders = {
        m.architecture.id
        for m in view.measurements
        if m.ok and "eca" in m.architecture.values.values()
    }
    assert by["eca"].architectures == len(holders)
    json.dumps(found.to_dict(), allow_nan=False)


def test_rungs_and_seeds_are_pooled(view):
    """The same measurements again at a lower rung, lower by a tenth: effects stay what they are."""
    good = [m for m in view.measurements if m.ok]
    lower = [replace(m, values={"accuracy": 0.9 * m.values["accuracy"]}) for m in good]
    upper = [replace(m, rung=1) for m in good[::2]]
    seeds = [replace(m, rung=1, seed=1) for m in good[::4]]
    found = explain(view.space, [*lower, *upper, *seeds], view.metric, ["flops"])
    alone = explain(view.space, upper, view.metric, ["flops"])
    by = {e.choice: e for e in found.effects}
    few = {e.choice: e for e in alone.effects}
    assert by["eca"].verdict == "pays"
    assert by["eca"].high - by["eca"].low < 1.1 * (few["eca"].high - few["eca"].low)
    assert found.measurements == len(lower) + len(upper) + len(seeds)
    assert found.architectures == len(good)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.001, 0.02, "pays"),
        (-0.02, -0.001, "does not pay"),
        (-0.0015, 0.0019, "does not pay"),  # no difference worth having
        (-0.0015, 0.0021, "not enough evidence"),
        (-0.02, 0.03, "not enough evidence"),
    ],
)
def test_verdicts(low, high, verdict):
    assert judge(low, high, WORTH, ACCURACY) == verdict


def test_errors(view):
    with pytest.raises(ExplainError, match="at least 8"):
        explain(view.space, view.measurements[:6], view.metric)
    plain = SearchSpace.from_config({"stages": [{"width": [8, 16]}]}, (1, 8, 8), 10)
    architectures = [plain.sample(np.random.default_rng(i)) for i in range(9)]
    assert slots_of(plain) == ()
    odd = [
        replace(view.measurements[i], architecture=a, status="ok", values={"accuracy": 0.1 * i})
        for i, a in enumerate(architectures)
    ]
    with pytest.raises(ExplainError):
        explain(plain, odd, view.metric)
    flat = [replace(m, values={"accuracy": 0.5}) for m in view.measurements if m.ok]
    with pytest.raises(ExplainError, match="same accuracy"):
        explain(view.space, flat, view.metric)


def test_a_slot_is_filled_and_taken_out(view):
    attention = next(s for s in slots_of(view.space) if s.name == "attention")
    assert attention.reference == "none"
    for m in view.measurements[:30]:
        full = filled(attention, view.space, m.architecture, "se")
        assert content(attention, view.space, full) == "se"
        assert without(attention, view.space, full) == without(
            attention, view.space, m.architecture
        )
        values = full.values
        blocks = [n for n in values if n.endswith(".attention")]
        assert all(values[f"{name}.se.reduction"] == 4 for name in blocks)
    codes = view.space.codes([m.architecture for m in view.measurements])
    assert np.allclose(shares(view.space, attention, codes).sum(axis=1), 1)


def test_plain_spaces_have_their_parameters_for_slots():
    plain = SearchSpace({"layer0": ["id", "a"], "layer1": ["b", "c"], "one": ["x"]})
    assert [(s.name, s.reference) for s in slots_of(plain)] == [("layer0", "id"), ("layer1", "b")]


def test_a_run_without_evidence_is_one_sentence_and_what_would_settle_it(view):
    """No verdict, no table: the sentence, and the command with its price in time."""
    few = [m for m in view.measurements if m.ok][:20]
    dull = [replace(m, values={"accuracy": 0.9 + 0.01 * (i % 2)}) for i, m in enumerate(few)]
    found = explain_run(replace(view, measurements=tuple(dull)))
    assert {e.verdict for e in found.model.effects} == {"not enough evidence"}
    first, second = found.to_text().split("\n")
    assert first.startswith("Not enough evidence yet: from 20 measurements of 20 architectures")
    trials = int(re.search(r"--settle (\w+) --trials (\d+)`", second)[2])
    slot = next(s for s in slots_of(view.space) if s.name == found.advice.slot)
    assert trials == 12 * len(slot.choices)
    each = np.mean([m.seconds for m in dull])
    assert found.advice.seconds * side_by_side(view, trials) == pytest.approx(trials * each)
    assert f"about {spoken(found.advice.seconds)}" in second
    assert found.to_dict()["nothing"] == first


def test_what_is_settled_keeps_its_table_and_what_is_open_its_command(view):
    text = explain_run(view).to_text()
    assert "  eca " in text
    assert "more evaluation" not in text
    assert re.search(r"To settle what is open: `nas explain \S+ --settle \w+ --trials \d+`", text)
