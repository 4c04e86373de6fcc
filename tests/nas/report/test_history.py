"""Hypervolume over time by hand, and controls that are none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plugnas.modules import PlugnasError
from plugnas.nas.front.box import Box
from plugnas.nas.front.member import front, members, table
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.report.history import shuffled, trace
from plugnas.nas.report.random_search import check_control, history
from plugnas.nas.run.view import RunView
from plugnas.space import SearchSpace
from tests.nas.report.synthetic_run import make_run

SPACE = SearchSpace({"a": [str(i) for i in range(9)]})
OBJECTIVES = {"accuracy": "max", "flops": "min"}


def m(a, accuracy, flops, rung=1, status="ok"):
    return Measurement(
        a, SPACE.architecture({"a": str(a)}), rung, 0, status,
        {"accuracy": accuracy}, {"flops": flops}, seconds=2.0,
    )  # fmt: skip


RECORDS = [
    m(0, 0.2, 1.0, rung=0),  # a lower rung takes time and adds nothing
    m(1, 0.5, 4.0),
    m(2, 0.9, 2.0, status="failed"),
    m(3, 0.5, 2.0),
    m(4, 0.4, 4.0),  # dominated
    m(5, 1.0, 4.0),
]
BOX = Box(OBJECTIVES, np.array([0.0, 5.0]), np.array([1.0, 0.0]))  # area 5


def test_trace_by_hand():
    found = trace(RECORDS, BOX, rung=1)
    assert found.evaluations == [0, 2, 4, 6, 6]
    assert found.seconds == [0.0, 4.0, 8.0, 12.0, 12.0]
    # 0.5 x 1; then 0.5 x 3; then 0.5 x 3 + 0.5 x 1
    assert found.hypervolume == pytest.approx([0, 0.1, 0.3, 0.4, 0.4])


def test_trace_is_that_of_the_front_after_each_measurement():
    """Seeds told again move means up and down: at every step the trace is the whole front's."""
    rng = np.random.default_rng(0)
    told = [
        m(int(a), float(accuracy), float(a % 5), rung=int(rung), status=status)
        for a, accuracy, rung, status in zip(
            rng.integers(9, size=80), rng.integers(10, size=80) / 10, rng.random(80) < 0.9,
            rng.choice(["ok", "ok", "ok", "failed"], 80), strict=True,
        )
    ]  # fmt: skip
    found, at = trace(told, BOX, rung=1), 0
    for done in range(len(told) + 1):
        now = front(members(told[:done], 1), OBJECTIVES)
        while at + 1 < len(found.evaluations) and found.evaluations[at + 1] <= done:
            at += 1
        value = BOX.fraction(table(now, OBJECTIVES))
        assert found.hypervolume[at] == pytest.approx(value, abs=1e-12)
    assert min(np.diff(found.hypervolume)) < 0  # a mean fell


def test_shuffled_is_the_mean_over_orders():
    draws = [RECORDS[1], RECORDS[5]]
    found = shuffled(draws, BOX, rung=1)
    assert found.evaluations == [0, 1, 2]
    assert found.hypervolume[-1] == pytest.approx(0.2)
    assert 0.1 < found.hypervolume[1] < 0.2  # either order first
    assert (found.low[1], found.high[1]) == pytest.approx((0.1, 0.2))


def test_a_control_run_is_shown_in_the_same_box(run, tmp_path):
    view = RunView.open(run)
    control = RunView.open(make_run(tmp_path / "random", trials=30, seed=9, sampler="random"))
    found = history(view, control)
    assert found["control"]["evaluations"][-1] == 30
    assert found["control"]["low"] is None
    assert 0 < found["control"]["hypervolume"][-1] <= 1
    assert 0 < found["search"]["hypervolume"][-1] <= 1
    assert "random" in found["note"]


@pytest.mark.parametrize(
    ("changes", "law"),
    [
        ({"sampler": "evolution"}, "sampler: random"),
        ({"sampler": "random", "budget": {"flops": "1M"}}, "budget"),
        ({"sampler": "random", "proxy": {"rungs": [{"epochs": 5}]}}, "proxy"),
    ],
)
def test_what_is_no_control_is_refused(run, tmp_path, changes, law):
    control = RunView.open(make_run(tmp_path / "other", trials=3, **changes))
    with pytest.raises(PlugnasError, match=law):
        check_control(RunView.open(run), control)


def test_budget_counts(run):
    view = RunView.open(run)
    tight = replace(view, budget={"flops": 3e5})
    count = sum(m.costs["flops"] <= 3e5 for m in view.measurements)
    assert 0 < count < 60
    assert history(tight, None)["search"]["evaluations"][-1] == count


def test_the_trace_ends_at_the_run_s_hypervolume(run, tmp_path):
    """One box and one rule for seeds: history, front and status say the same number."""
    view = RunView.open(run)
    assert history(view, None)["search"]["hypervolume"][-1] == pytest.approx(view.hypervolume)
    again = [replace(m, seed=1, values={"accuracy": 0.9 * m.values["accuracy"]})
             for m in view.measurements if m.ok]  # fmt: skip
    both = replace(view, measurements=(*view.measurements, *again))
    assert both.hypervolume < view.hypervolume
    assert history(both, None)["search"]["hypervolume"][-1] == pytest.approx(both.hypervolume)
