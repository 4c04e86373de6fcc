"""The best value within each limit, and the trial that brought it."""

from __future__ import annotations

from dataclasses import replace

from plugnas.nas.cost.quantity import short
from plugnas.nas.front.member import newest_of
from plugnas.nas.report.best import best_text, best_within
from plugnas.nas.run.view import RunView
from tests.nas.report.synthetic_run import make_run


def test_best_within_steps_of_the_main_cost(view):
    text, rows = best_text(view), best_within(view)
    assert len(rows) > 2
    for limit, member in rows:
        assert f"{limit:e}"[0] in "125"
        inside = [m for m in view.measurements if m.ok and m.costs["flops"] <= limit]
        best = max(m.values["accuracy"] for m in inside)
        number = next(m.number for m in inside if m.architecture.id == member.id)
        assert member["accuracy"] == best
        assert f"{100 * best:.2f} % within {short(limit)} (trial {number + 1})" in text
    assert text.startswith("best accuracy by flops: ")
    assert text.endswith(f"; the front was last better at trial {newest_of(view.front)}")


def test_the_limits_of_a_job_that_aims_at_them(tmp_path):
    limits = {"flops": ["1", "200k", "2M"]}
    changes = {"aim": "limits", "limits": limits, "objectives": {"accuracy": "max", "flops": "min"}}
    view = RunView.open(make_run(tmp_path / "run", trials=12, **changes))
    rows = dict(best_within(view))
    assert set(rows) <= {2e5, 2e6}  # nothing is within 1
    for limit, member in rows.items():
        assert member["accuracy"] == max(
            m["accuracy"] for m in view.members if m.costs["flops"] <= limit
        )
    assert 2e6 in rows


def test_no_step_is_beyond_the_budget(view):
    most = 1.01 * view.front[-1].costs["flops"]
    rows = best_within(replace(view, budget={"flops": most}))
    assert rows[-1][0] == most
    assert [limit for limit, _ in rows[:-1]] == [limit for limit, _ in best_within(view)[:-1]]


def test_a_run_without_a_cost_or_without_a_front(view):
    dear = [replace(m, costs={}) for m in view.measurements]
    costless = replace(view, measurements=tuple(dear), objectives={"accuracy": "max"}, budget={})
    assert best_within(costless) == []
    assert best_text(costless).startswith("the front was last better at trial ")
    assert best_text(replace(view, budget={"flops": 1.0})) is None
