"""The statistics of a confirmation against scipy, by hand, and by their rates of error."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from plugnas.nas.confirm.outcome import CONTROL, FRONT, Confirmed, summarise
from plugnas.nas.confirm.statistics import kendall, mean_of, pairs
from plugnas.nas.confirm.text import to_text
from plugnas.nas.front.metric import Metric
from plugnas.space import SearchSpace

SPACE = SearchSpace({"a": [str(i) for i in range(40)]})
ACCURACY = Metric("accuracy", "max", percent=True)
OBJECTIVES = {"accuracy": "max", "flops": "min"}


def test_tau_is_scipys_with_ties():
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = rng.integers(5, size=(2, 12))
        found = kendall(a, b)
        assert found.value == pytest.approx(stats.kendalltau(a, b).statistic)
        assert found.low <= found.value <= found.high
        assert found.n == 12


def test_tau_of_what_says_nothing():
    assert math.isnan(kendall([1, 2, 3], [1, 2, 3]).value)
    assert math.isnan(kendall([1, 1, 1, 1], [1, 2, 3, 4]).value)
    exact = kendall([1, 2, 3, 4, 5], [1, 2, 3, 4, 5])
    assert (exact.value, exact.high) == (pytest.approx(1), 1)


def test_taus_interval_covers():
    rng = np.random.default_rng(1)
    hits = []
    true = 2 / math.pi * math.asin(0.6)  # tau of a bivariate normal
    for k in range(60):
        x = rng.normal(size=30)
        y = 0.6 * x + 0.8 * rng.normal(size=30)
        found = kendall(x, y, seed=k)
        hits.append(found.low <= true <= found.high)
    assert np.mean(hits) >= 0.85


def test_mean_with_its_interval():
    found = mean_of([1.0, 2.0, 3.0])
    assert found.value == 2
    assert found.high == pytest.approx(2 + 4.302653 / math.sqrt(3), rel=1e-5)
    assert math.isnan(mean_of([1.0]).low)


def test_pairs_by_hand():
    found = pairs({"a": [0.90, 0.92], "b": [0.50, 0.52], "c": [0.91, 0.93], "d": [0.1]})
    assert [(p.first, p.second) for p in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    a_b, a_c, b_c = found
    assert a_b.difference == pytest.approx(0.40)
    # pooled variance 2e-4 with 3 degrees of freedom; standard error 0.01414
    raw = [2 * stats.t.sf(d / math.sqrt(2e-4), 3) for d in (0.40, 0.01, 0.41)]
    assert b_c.p == pytest.approx(3 * raw[2])
    assert a_b.p == pytest.approx(max(2 * raw[0], 3 * raw[2]))  # never below a smaller one
    assert a_c.p == pytest.approx(raw[1])
    assert (a_b.distinguishable, a_c.distinguishable) == (True, False)
    assert pairs({"a": [0.5, 0.6]}) == []


def test_equal_networks_are_seldom_told_apart():
    rng = np.random.default_rng(2)
    wrong = 0
    for _ in range(200):
        samples = {str(i): rng.normal(0.9, 0.01, 3) for i in range(6)}
        wrong += any(p.distinguishable for p in pairs(samples))
    assert wrong <= 20  # 5 % of 200 are 10


def confirmed(i, kind, accuracies, proxy, again, flops):
    return Confirmed(
        SPACE.architecture({"a": str(i)}), kind, float(np.mean(accuracies)),
        float(np.std(accuracies, ddof=1)), len(accuracies), tuple(accuracies), proxy, again,
        {"flops": flops, "params": 1.0}, (i,),
    )  # fmt: skip


def test_luck_is_found_where_it_was_planted():
    """Forty equal networks, the luckiest taken for the front: the lead is all luck."""
    rng = np.random.default_rng(3)
    seen = 0.9 + 0.02 * rng.normal(size=40)
    best = np.argsort(-seen)[:8]
    rest = [i for i in range(40) if i not in best][:8]
    found = []
    for i in [*best, *rest]:
        kind = FRONT if i in best else CONTROL
        proxy = float(seen[i]) if kind == FRONT else math.nan
        long = (0.95 + 0.003 * rng.normal(size=3)).tolist()
        found.append(confirmed(int(i), kind, long, proxy, 0.9 + 0.02 * rng.normal(), 1e6))
    told = summarise(found, 0, {"test_images": 500, "recipe": {"epochs": 3}}, OBJECTIVES, ACCURACY)
    assert told.luck is not None
    assert told.luck.points.low > 0.005
    assert told.luck.share > 0.6
    assert told.tau.low < 0 < told.tau.high
    text = to_text(told)
    assert "of the lead was luck" in text
    assert "0 of 28 pairs of the front are distinguishable" in text
    data = told.to_dict()
    assert {m["kind"] for m in data["members"]} == {"front", "control"}
    assert "accuracy" not in data["members"][0]  # every column says which accuracy it is


def test_no_luck_where_there_was_none():
    rng = np.random.default_rng(4)
    true = np.linspace(0.7, 0.95, 8)
    found = [
        confirmed(i, FRONT, [a, a + 0.001, a - 0.001], a, a + 1e-4 * rng.normal(), 1e4 * 2.0**i)
        for i, a in enumerate(true)
    ]
    found += [confirmed(10 + i, CONTROL, [0.6, 0.61], math.nan, 0.6, 1e6) for i in range(8)]
    told = summarise(found, 0, {}, OBJECTIVES, ACCURACY)
    assert told.luck is not None
    assert abs(told.luck.share) < 0.01
    assert told.luck.points.low <= 0 <= told.luck.points.high
    assert told.tau_front.value == pytest.approx(1)
    assert all(p.distinguishable for p in told.pairs)
