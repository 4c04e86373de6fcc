"""An explanation of a host speaks of its sites, and judges them beside host and placebo."""

from __future__ import annotations

import numpy as np
import pytest

from plugnas.nas.cost import NetworkCost
from plugnas.nas.explain.effects import ExplainError
from plugnas.nas.explain.report import explain_run, slot_named
from plugnas.nas.explain.settle import settle, settled
from plugnas.nas.report.data import gather
from plugnas.nas.report.files import picture
from plugnas.nas.report.front import to_json, to_text
from plugnas.nas.run.directory import RunDirectory
from plugnas.nas.run.view import RunView
from plugnas.space.placebo import twin, with_placebo
from tests.nas.host_run import make_host_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_host_run(tmp_path_factory.mktemp("host") / "run")


@pytest.fixture(scope="module")
def view(run):
    return RunView.open(run)


def plugs_of(view):
    return {(m["after.early.attention"], m["after.late.attention"]): m for m in architectures(view)}


def architectures(view):
    return {m.architecture.id: m.architecture for m in view.measurements}.values()


def test_each_module_is_judged_at_each_site(view):
    model = explain_run(view).model
    found = {(e.slot, e.choice): e for e in model.effects}
    assert len(found) == 8
    late = found["after.late.attention", "se"]
    assert late.verdict == "pays" and late.low < 0.2 < late.high
    assert found["after.early.attention", "se"].verdict != "pays"
    where = {e.slot: e for e in model.where}
    assert where["after.late.attention"].effect == pytest.approx(
        np.mean([e.effect for (slot, _), e in found.items() if slot == "after.late.attention"])
    )
    means = {e.choice: e.effect for e in model.which}
    assert max(means, key=means.get) == "se"
    pair = [found[f"after.{place}.attention", "se"].effect for place in ("early", "late")]
    assert means["se"] == pytest.approx(np.mean(pair), abs=1e-6)
    assert model.told[0].startswith("It pays after late (`se` +")
    assert model.told[1].startswith("The modules that pay: `se` (at 1 of 2 sites; on average")
    text = explain_run(view).to_text()
    assert all(line in text for line in (*model.told, "where: any module", "which: each module"))


def test_the_placebo_has_the_parameters_of_the_largest_module(view):
    judged = with_placebo(view.space, ["after.late.attention"])
    assert judged.host.groups[0].slot == view.space.host.groups[0].slot
    old = plugs_of(view)["none", "se"]
    assert judged.adopt(old.values) == old  # under the same id
    placebo = twin(judged, judged.architecture(old.values))
    assert placebo["after.late.attention"] == "placebo"
    added = [sum(c.params for c in NetworkCost(judged).breakdown(a)) for a in (old, placebo)]
    assert abs(added[0] - added[1]) <= 8  # a hidden channel more or less is 16 parameters
    assert twin(judged, judged.architecture(plugs_of(view)["none", "none"].values)) is None


def test_a_site_is_named_by_its_path(view):
    assert slot_named(view, "late").name == "after.late.attention"
    assert slot_named(view, "after.early.attention").name == "after.early.attention"
    with pytest.raises(ExplainError, match=r"did you mean `after\.late\.attention`"):
        slot_named(view, "after.lat.attention")


def test_settle_trains_host_and_placebo_under_the_same_seeds(run, view):
    slot = slot_named(view, "late")
    outcome = settle(view, slot, seeds=2, trials=12)
    assert (outcome.reason, outcome.measured) == ("done", 12)
    found = settled(view)
    held = {m.architecture["after.late.attention"] for m in found}
    assert held == {"none", "se", "eca", "simam", "scse", "placebo"}
    assert {m.architecture["after.early.attention"] for m in found} == {"none"}  # the host itself
    told = explain_run(RunView.open(RunDirectory.read(run.path)))
    assert [table[0].against for table in told.pairs] == ["none", "placebo"]
    against_host, against_placebo = ({c.choice: c for c in table} for table in told.pairs)
    assert set(against_host) == set(against_placebo) == held
    gap = against_host["se"].gain - against_host["placebo"].gain
    assert against_placebo["se"].gain == pytest.approx(gap)
    sizes = {c.choice: c.costs["params"] for c in told.pairs[0]}
    assert abs(sizes["placebo"] - sizes["scse"]) <= 8  # the largest
    assert sizes["none"] < sizes["eca"] < sizes["se"] < sizes["scse"]
    assert {e.choice for e in told.model.effects} == {"se", "eca", "simam", "scse", "placebo"}
    assert all(e.choice != "placebo" for e in told.model.which)


def test_host_and_placebo_are_named_in_table_json_picture_and_page(run):
    """After the experiment above, or without it: the host is always there."""
    view = RunView.open(RunDirectory.read(run.path))
    (unchanged,) = view.controls
    host, *placebos = to_json(view)["controls"]
    assert (host["name"], host["id"]) == ("host", unchanged.id)
    assert {c["name"] for c in placebos} == {"placebo"}
    text = to_text(view)
    assert f"host: {100 * host['accuracy']:.2f} %" in text and "placebo: " in text
    plugged = next(m for m in to_json(view)["front"] if m["id"] != unchanged.id)
    assert next(iter(plugged["gates"].values())) == [0.25, 0.5]
    drawn = picture(view)
    assert [name for name, _ in drawn.controls] == ["host", "placebo"]
    data = gather(view)
    assert [c["name"] for c in data["controls"]] == ["host", "placebo"]
    assert data["modules"]["model"]["told"] == list(explain_run(view).model.told)
