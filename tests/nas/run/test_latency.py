"""What is said of a run's latencies, in tables, JSON and on the page."""

from __future__ import annotations

import json

import pytest

from plugnas.nas.cost import NetworkCost
from plugnas.nas.explain.report import explain_run
from plugnas.nas.latency import LatencyTable
from plugnas.nas.latency.conditions import Conditions
from plugnas.nas.latency.pieces import pieces_of_architectures
from plugnas.nas.ledger.ledger import Ledger
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.report.data import gather
from plugnas.nas.report.files import picture
from plugnas.nas.report.front import to_text
from plugnas.nas.run.directory import RunDirectory
from plugnas.nas.run.latency import _busy, latency_note
from plugnas.nas.run.view import RunView
from tests.nas.report.synthetic_run import make_run

SPACE = {
    "stem": {"width": 8},
    "stages": [{"width": 8, "depth": 2}],
    "slots": {"attention": {"choices": ["none", "se", "eca"], "scope": "network"}},
}


@pytest.fixture
def run(tmp_path):
    """An ablation whose latencies come from a table that this test wrote."""
    objectives = {"accuracy": "max", "latency_ms": "min"}
    made = make_run(tmp_path / "run", trials=1, space=SPACE, budget={})
    text = (made.path / "job.yaml").read_text()
    text = text.replace("  flops: min", "  latency_ms: min")
    (made.path / "job.yaml").write_text(text)
    made = RunDirectory.read(made.path)
    assert dict(made.job.objectives) == objectives
    space = made.space()
    fixed = {p.name: p.choices[0] for p in space.parameters if len(p.choices) == 1}
    networks = [space.architecture({**fixed, "attention": c}) for c in ("none", "se", "eca")]
    pieces = dict.fromkeys(pieces_of_architectures(space, networks), (0.02, 0.013))
    conditions = Conditions("cpu", "a chip", 1, 1, "float32", "contiguous", "2.15")
    table = LatencyTable(conditions, {"conv": 1.0}, 30, 0.0, pieces, {"mean_error": 0.042})
    table.save(made.path / "latency.json")
    cost = NetworkCost(space, latency=table)
    made.ledger.unlink()
    with Ledger.open(made.ledger, space, cost=cost) as ledger:
        for number, architecture in enumerate(networks):
            for seed in range(2):
                values = {"accuracy": 0.9 + 0.01 * number + 0.001 * seed}
                costs = cost.cost(architecture)
                ledger.append(Measurement(number, architecture, 0, seed, "ok", values, costs))
    return made


def test_latencies_come_with_their_device_and_error(run):
    view = RunView.open(run)
    for text in (to_text(view), explain_run(view).to_text()):
        assert "sums over pieces, measured on cpu (a chip), batch 1, 1 thread, float32" in text
        assert "error of the median piece 1.3%, of whole networks 4.2% on average" in text
        assert "~" not in text
    assert gather(view)["latency"]["ranked"] is True


def test_sums_that_do_not_hold_are_told_with_the_latencies(run):
    table = LatencyTable.load(run.path / "latency.json")
    table.factors = {"activation": 0.1}
    table.save(run.path / "latency.json")
    note = latency_note(run)
    assert "weighed by kind with factors fitted on whole networks, measured on cpu" in note.text


def test_latencies_that_may_not_be_ranked_are_marked_wherever_they_stand(run):
    (run.path / "latency_front.json").write_text(json.dumps({"busy": "it got only 40% of a core"}))
    view = RunView.open(run)
    for text in (to_text(view), explain_run(view).to_text()):
        assert "~ latency NOT RANKED: it got only 40% of a core" in text
        assert f"`nas latency {run.path} -o" in text
        for line in text.splitlines():
            if " ms_" not in line and line.strip().startswith(("se ", "none ", "eca ")):
                assert line.count("~0.") == 1
    assert "latency NOT RANKED" in picture(view).caption
    assert explain_run(view).to_dict()["latency"]["ranked"] is False
    assert gather(view)["latency"]["ranked"] is False


def test_a_run_without_latencies_says_nothing_of_them(tmp_path):
    run = make_run(tmp_path / "run", trials=4)
    assert latency_note(run) is None
    assert explain_run(RunView.open(run)).to_dict()["latency"] is None


@pytest.mark.parametrize("text", ['{"busy": 3}', "[]", "[" * 100_000, "{"])
def test_a_damaged_measurement_of_the_front_ranks_nothing(tmp_path, text):
    (tmp_path / "latency_front.json").write_text(text)
    assert "cannot be read any more" in _busy(tmp_path / "latency_front.json")
    assert _busy(tmp_path / "missing.json") is None
