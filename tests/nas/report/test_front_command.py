"""``nas front`` as typed."""

from __future__ import annotations

import argparse
import csv
import io
import json

import pytest

from plugnas.modules import PlugnasError
from plugnas.nas.cli import front as command
from tests.nas.report.synthetic_run import make_run


def front(*arguments):
    parser = argparse.ArgumentParser()
    command.configure(parser)
    return command.run(parser.parse_args([str(a) for a in arguments]))


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("front") / "run", trials=30)


def test_json_and_csv_write_nothing(own, capsys):
    before = sorted(own.path.iterdir())
    assert front(own.path, "--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert front(own.path, "--csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [m["id"] for m in data["front"]] == [row["id"] for row in rows]
    assert sorted(own.path.iterdir()) == before


def test_another_cost_and_another_budget(own, capsys):
    assert front(own.path, "--json", "--x", "params", "--budget", "params=3k") == 0
    data = json.loads(capsys.readouterr().out)
    assert data["objectives"] == {"accuracy": "max", "params": "min"}
    costs = [m["params"] for m in data["front"]]
    assert costs == sorted(costs)
    assert costs[-1] <= 3000


def test_files_and_a_control(own, tmp_path, capsys):
    control = make_run(tmp_path / "dice", trials=10, seed=5, sampler="random")
    assert front(own.path, "--control", control.path) == 0
    assert "wrote" in capsys.readouterr().out
    assert "in the order of its trials" in (own.path / "report.html").read_text()


@pytest.mark.parametrize(
    ("more", "law"),
    [(["--json"], "shown on the page"), ([], "has predictor"), (["--csv"], "leave out")],
)
def test_a_wrong_control_is_refused_before_anything_is_printed(own, tmp_path, capsys, more, law):
    other = make_run(tmp_path / "other", trials=5)
    before = sorted(own.path.iterdir())
    with pytest.raises(PlugnasError, match=law):
        front(own.path, "--control", other.path, *more)
    with pytest.raises(PlugnasError, match="shown on the page" if more else "no run directory"):
        front(own.path, "--control", "nope", *more)
    assert capsys.readouterr().out == ""
    assert sorted(own.path.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "law"),
    [
        (["--x", "flop"], "did you mean `flops`"),
        (["--x", "latency_ms"], "recorded no `latency_ms`"),
        (["--budget", "flops"], "COST=LIMIT"),
    ],
)
def test_wrong_words(own, arguments, law):
    with pytest.raises(PlugnasError, match=law):
        front(own.path, *arguments)
