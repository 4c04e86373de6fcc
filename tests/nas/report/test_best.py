"""The best value within each limit, and the trial that brought it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plugnas.nas.cost.quantity import short
from plugnas.nas.report.best import best_text, best_within, limits_of
from plugnas.nas.run.view import RunView
from tests.nas.report.synthetic_run import make_run


@pytest.mark.parametrize("limit", [None, 3e5])
def test_best_within_shares_of_the_budget_or_of_the_dearest(view, limit):
    view = replace(view, budget={} if limit is None else {"flops": limit})
    whole = limit or max(m.costs["flops"] for m in view.front)
    assert limits_of(view) == pytest.approx([whole / 4, whole / 2, whole])
    text = best_text(view)
    told = 0
    for share in (whole / 4, whole / 2, whole):
        inside = [m for m in view.measurements if m.ok and m.costs["flops"] <= share]
        if inside:
            best = max(m.values["accuracy"] for m in inside)
            number = next(m.number for m in inside if m.values["accuracy"] == best)
            assert f"{100 * best:.2f} % within {short(share)} (trial {number + 1})" in text
            told += 1
    assert told == len(best_within(view)) > 0
    assert text.startswith("best accuracy by flops: ")


def test_the_limits_of_a_job_that_aims_at_them(tmp_path):
    limits = {"flops": ["1", "200k", "2M"]}
    changes = {"aim": "limits", "limits": limits, "objectives": {"accuracy": "max", "flops": "min"}}
    view = RunView.open(make_run(tmp_path / "run", trials=12, **changes))
    assert limits_of(view) == (1.0, 2e5, 2e6)
    assert 1.0 not in dict(best_within(view))  # nothing is within it


def test_a_run_without_a_cost_or_without_a_front(view):
    dear = [replace(m, costs={}) for m in view.measurements]
    costless = replace(view, measurements=tuple(dear), objectives={"accuracy": "max"}, budget={})
    assert limits_of(costless) == ()
    assert best_text(costless).startswith("the front was last better at trial ")
    assert best_text(replace(view, budget={"flops": 1.0})) is None
