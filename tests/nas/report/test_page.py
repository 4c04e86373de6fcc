"""The page: all that it must hold, in a real browser, without any request."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from plugnas.nas.cost.quantity import short
from plugnas.nas.front.member import newest_of
from plugnas.nas.report import data as report_data
from plugnas.nas.report import page
from plugnas.nas.report.best import best_within
from plugnas.nas.report.data import gather
from plugnas.nas.report.files import write_files
from plugnas.nas.report.noise import light_steps
from plugnas.nas.report.page import embedded
from plugnas.nas.run.directory import RunDirectory
from plugnas.nas.run.view import RunView
from tests.nas.report.browser import needs_browser, probe
from tests.nas.report.synthetic_run import make_run


@pytest.fixture(scope="module")
def text(run):
    return page(RunView.open(run))


def data_of(text):
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])


def test_the_file_asks_for_nothing_outside_it(text):
    assert not re.search(r"https?:|//[a-z0-9.-]+\.[a-z]{2,}", text.replace("// ", ""))
    attributes = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert all(a.startswith(("#", "data:")) for a in attributes)
    assert "default-src 'none'" in text
    assert "import(" not in text
    assert "fetch(" not in text


def test_data_agree_with_the_ledger(text, view):
    data = data_of(text)
    networks = {n["id"]: n for n in data["networks"]}
    assert len(networks) == len(view.members)
    assert {i for i, n in networks.items() if n["front"]} == {m.id for m in view.front}
    assert data["knee"] == view.pick("knee").id
    assert data["hypervolume"] == pytest.approx(view.hypervolume, rel=1e-6)
    lines = [json.loads(line) for line in view.run.ledger.read_text().splitlines()[1:]]
    by_number = {line["number"]: line for line in lines}
    for network in networks.values():
        (number,) = network["numbers"]
        line = by_number[number]
        assert line["architecture"]["id"] == network["id"]
        assert network["metric"] == line["values"]["accuracy"]
        assert network["costs"]["params"] == line["costs"]["params"]
        assert len(network["curves"][0]["points"]) == 4
        parts = [data["parts"][i] for i in network["parts"]]
        assert sum(p["flops"] for p in parts) == line["costs"]["flops"]
        assert sum(p["params"] for p in parts) == line["costs"]["params"]
    assert data["failures"]["all"] == sum(not m.ok for m in view.measurements) == 3
    assert data["failures"]["kinds"] == [["diverged", 3]]
    assert data["history"]["search"]["evaluations"][-1] == 60
    assert data["history"]["control"] is None
    assert "Nothing is simulated" in data["history"]["note"]
    assert data["facts"]["versions"] == {"python": "3.11", "torch": "2.15"}
    assert data["job"] == (view.run.path / "job.yaml").read_text()
    assert {e["choice"] for e in data["modules"]["model"]["effects"]} >= {"eca", "se", "aff"}


def test_text_cannot_end_the_data(view, tmp_path):
    evil = "</script><script>document.title='owned'</script>\u2028"
    data = {"a": evil}
    assert "<" not in embedded(data)
    assert json.loads(embedded(data)) == data
    failed = replace(next(m for m in view.measurements if not m.ok), reason=evil)
    spoiled = replace(view, measurements=(*view.measurements, failed))
    assert page(spoiled).count("</script>") == 2


def test_write_leaves_three_whole_files(view):
    names = [path.name for path in write_files(view)]
    assert names == ["front.csv", "front.png", "report.html"]
    assert all((view.run.path / name).stat().st_size > 1000 for name in names)
    assert not list(view.run.path.glob("*.tmp"))


def test_a_run_that_has_measured_nothing(tmp_path):
    run = make_run(tmp_path / "empty", trials=1)
    run.ledger.write_text(run.ledger.read_text().splitlines()[0] + "\n")
    view = RunView.open(RunDirectory.read(run.path))
    data = gather(view)
    assert data["networks"] == []
    assert data["history"]["search"] is None
    assert "at least 8" in data["modules"]["reason"]
    assert [path.name for path in write_files(view)] == ["front.csv", "front.png", "report.html"]


WALK = """(view, page) => {
  const $ = (id) => page.getElementById(id);
  const point = page.querySelector('#front-chart .hit[tabindex]');
  const at = point.getBoundingClientRect();
  const where = {bubbles: true, clientX: at.x, clientY: at.y};
  point.dispatchEvent(new view.PointerEvent('pointermove', where));
  const tip = $('tip').hidden ? null : $('tip').textContent;
  point.dispatchEvent(new view.MouseEvent('click', {bubbles: true}));
  const chosen = $('choose').value;
  const axes = [...$('cost').options].map((o) => {
    $('cost').value = o.value;
    $('cost').dispatchEvent(new view.Event('change'));
    return [o.value, page.querySelectorAll('#front-chart .hit').length];
  });
  return {
    tip, chosen, point: point.dataset.id, axes,
    resources: view.performance.getEntriesByType('resource').length,
    blocks: page.querySelectorAll('#drawing .part').length,
    slots: [...page.querySelectorAll('#drawing .slot')].map((s) => s.textContent),
    curves: page.querySelectorAll('#curve-loss circle').length,
    growth: page.querySelectorAll('#growth-evaluations path').length,
    growing: [...page.querySelectorAll('#growth-evaluations text')].map((t) => t.textContent),
    note: $('front-note').textContent,
    modules: $('modules-body').textContent,
    failures: $('failures-body').textContent,
    record: $('record-body').textContent,
    confirmation: $('confirmation-body').textContent,
    rows: page.querySelectorAll('#front-table tbody tr').length,
    overflow: page.documentElement.scrollWidth - page.documentElement.clientWidth,
  };
}"""


@needs_browser
@pytest.mark.parametrize("width", [1180, 390])
def test_in_a_browser(text, view, tmp_path, width):
    found, console = probe(text, WALK, tmp_path, width=width)
    assert isinstance(found, dict), found
    assert console == []
    assert found["resources"] == 0
    assert found["overflow"] == 0
    member = next(m for m in view.front if m.id == found["point"])
    assert found["chosen"] == member.id
    assert f"{100 * member['accuracy']:.2f} %" in found["tip"]
    assert "eca" in found["tip"] or "se" in found["tip"] or "conv" in found["tip"]
    assert [name for name, _ in found["axes"]] == [
        "flops", "params", "memory", "macs", "elementwise",
    ]  # fmt: skip
    assert {count for _, count in found["axes"]} == {len(view.members)}
    assert found["blocks"] == len(view.space.parts(member.architecture))
    for name, value in member.architecture.values.items():
        if name.endswith(("operator", "attention", "fusion")):
            assert any(str(value) in s for s in found["slots"]), name
    assert found["curves"] == 4
    assert found["growth"] == 1
    assert "not dominated yet" in found["growing"]
    assert f"last better at trial {newest_of(view.front)}." in found["note"]
    assert f"within {short(best_within(view)[-1][0])} (trial " in found["note"]
    assert "ypervolume" not in found["note"]
    assert found["rows"] == len(view.front)
    assert "pays" in found["modules"]
    assert "3 of 60 evaluations failed" in found["failures"]
    assert "torch 2.15" in found["record"]
    assert "device" in found["record"]
    assert "Not confirmed yet" in found["confirmation"]


STEPS = """(view, page) => ({
  steps: [...page.querySelectorAll('#front-chart .step')].map((s) => s.getAttribute('opacity')),
  marked: [...page.querySelectorAll('#front-table tbody tr')].map((r) => r.cells[0].textContent),
  legend: page.getElementById('front-legend').textContent,
  commands: [...page.querySelectorAll('#front-note code')].map((c) => c.textContent),
})"""


@needs_browser
def test_steps_within_the_noise_are_light_and_marked(view, tmp_path):
    told = tuple(replace(m, extra={**m.extra, "images": 359}) for m in view.measurements)
    view = replace(view, measurements=told)
    light, front = light_steps(view), [m.id for m in view.front]
    assert 0 < len(light) < len(front)
    found, console = probe(page(view), STEPS, tmp_path)
    assert console == []
    assert found["steps"] == ["0.4" if i in light else "1" for i in front]
    assert {c.split()[0] for c in found["marked"] if c.endswith("~")} == light
    assert "within the noise" in found["legend"]
    assert found["commands"] == [f"nas confirm {view.run.path}"]


def test_of_very_many_networks_the_front_and_a_sample_are_shown(view, monkeypatch):
    monkeypatch.setattr(report_data, "MOST", 20)
    data = gather(view)
    shown = {n["id"] for n in data["networks"]}
    assert data["evaluated"] == len(view.members) > 20
    assert len(shown) == 20
    assert {m.id for m in view.front} <= shown
    assert {n["id"] for n in gather(view)["networks"]} == shown  # the same every time
    text = page(view)
    assert f"front of {len(view.members)} networks" in text
    assert "all of the front, all that were confirmed, and of the others some" in text
