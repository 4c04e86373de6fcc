"""Two tables agree where they predict alike at equal anchors, within the errors that they state."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from plugnas.nas.cli import main
from plugnas.nas.job import config as jobs
from plugnas.nas.latency import Conditions, ForeignTableError, LatencyTable
from plugnas.nas.latency.agreement import agreement
from plugnas.nas.latency.pieces import pieces_of_space
from plugnas.space import SearchSpace

JOB = {
    "data": "digits",
    "space": {
        "stem": {"width": [4, 8]},
        "stages": [{"width": [4, 8], "depth": [1, 2]}],
        "slots": {
            "operator": ["conv", "ghost"],
            "attention": ["none", "se", "eca"],
            "activation": {"choices": ["relu"], "scope": "network"},
        },
    },
}


@pytest.fixture(scope="module")
def space():
    return SearchSpace.from_config(jobs.parse(JOB).space, (1, 8, 8), 10)


def _table(space, pace=1.0, noise=0.0, error=0.03):
    """A table of a machine at some pace, whose single pieces are off by some noise."""
    rng, entries = np.random.default_rng(3), {}
    for key in pieces_of_space(space, 1000):
        ms = 0.02 + (sum(key[0].encode()) % 89) / 400
        entries[key] = (pace * ms * float(np.exp(noise * rng.standard_normal())), 0.01)
    conditions = Conditions("cpu", "a chip", runtime="onnxruntime", torch="2.14")
    anchors = {"dense-1": 1.0 * pace, "light-1": 0.3 * pace}
    return LatencyTable(conditions, anchors, 30, 0.0, entries, {"mean_error": error})


def test_a_machine_that_was_slower_as_a_whole_has_tables_that_agree(space):
    found = agreement(_table(space, pace=1.3), _table(space), space)
    assert found.agrees
    assert (found.pace, found.apart) == (pytest.approx(1.3), pytest.approx(0, abs=1e-9))
    assert found.apart_ms == pytest.approx(0.3)
    assert found.stated == pytest.approx(0.03 * 2**0.5)
    assert found.kendall_tau == pytest.approx(1, abs=0.01)  # but for rounding
    assert "the tables agree: at equal anchors 60 random networks" in found.text()


def test_pieces_that_took_something_else_do_not_agree(space):
    found = agreement(_table(space, noise=0.5), _table(space), space)
    assert not found.agrees
    assert found.apart > 0.06
    assert "the tables DO NOT AGREE" in found.text()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"check": {}}, "one states none"),
        (
            {"anchors": {"dense-1": 1.0}},
            "compared by the same anchors, but they have dense-1, light",
        ),
        ({"entries": {}}, "lacks `"),
        ({"conditions": Conditions("cpu", "a chip")}, "their runtime is onnxruntime and torch"),
    ],
)
def test_tables_that_cannot_be_compared(space, change, text):
    with pytest.raises(ForeignTableError, match=text):
        agreement(_table(space), dataclasses.replace(_table(space), **change), space)


def test_the_command(space, tmp_path, capsys):
    (tmp_path / "job.yaml").write_text(json.dumps(JOB))
    for name, table in {"a": _table(space), "b": _table(space, noise=0.5)}.items():
        table.save(tmp_path / f"{name}.json")
    a, b = (str(tmp_path / f"{name}.json") for name in "ab")
    argv = ["latency", str(tmp_path / "job.yaml"), "--compare"]
    assert main([*argv, a, a]) == 0
    assert "the tables agree" in capsys.readouterr().out
    assert main([*argv, a, b, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["agrees"] is False
