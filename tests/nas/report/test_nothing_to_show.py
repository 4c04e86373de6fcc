"""Runs without a front: just begun, and with failures only. Each command says what there is."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from plugnas.nas.cli import main
from plugnas.nas.ledger.ledger import Ledger
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.report.files import picture
from plugnas.nas.report.page import page
from plugnas.nas.run.view import RunView
from tests.nas.report.browser import needs_browser, probe
from tests.nas.report.synthetic_run import make_run


@pytest.fixture
def begun(tmp_path):
    """A run whose job is written and that has measured nothing."""
    run = make_run(tmp_path / "begun", trials=1)
    run.ledger.unlink()
    return run


@pytest.fixture
def failed(tmp_path):
    """A run in which every evaluation failed."""
    run = make_run(tmp_path / "failed", trials=1)
    run.ledger.unlink()
    space, rng = run.space(), np.random.default_rng(0)
    with Ledger.open(run.ledger, space) as ledger:
        for number, reason in enumerate(["diverged: loss nan", "raised: ValueError: <b> (/x:3)"]):
            costs = {"flops": 1e5}
            ledger.append(
                Measurement(number, space.sample(rng), 0, 0, "failed", {}, costs, reason=reason)
            )
    return run


def test_status_of_a_run_that_measured_nothing(begun, capsys):
    assert main(["status", str(begun.path)]) == 0
    assert "0 architectures tried, 0 measurements" in capsys.readouterr().out
    begun.ledger.write_text("")  # killed between the opening of the file and its first line
    assert main(["status", str(begun.path)]) == 0
    assert "front so far: 0" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [["export"], ["export", "--all-front"], ["confirm"], ["cost", "--architecture", "knee"]],
)
def test_what_needs_a_front_says_that_there_is_none(begun, failed, capsys, words):
    for run in (begun, failed):
        assert main([words[0], str(run.path), *words[1:]]) == 2
        assert "no architecture has finished the highest rung yet" in capsys.readouterr().err


def test_a_front_of_failures_names_their_kinds(failed, capsys):
    assert main(["front", str(failed.path)]) == 0
    out = capsys.readouterr().out
    assert "failed evaluations: 1 diverged, 1 raised ValueError" in out
    assert picture(RunView.open(failed)).title == "failed: nothing on the front, of 0 evaluated"
    with Image.open(failed.path / "front.png") as image:
        assert image.size == (1760, 1100)


@needs_browser
def test_the_page_of_failures_has_no_empty_furniture(failed, tmp_path):
    found, console = probe(
        page(RunView.open(failed)),
        """(view, page) => ({
          chart: page.getElementById("front-chart").textContent,
          table: page.querySelector("#front .scroll").offsetHeight,
          cost: page.querySelector("#front .controls").offsetHeight,
          growth: page.getElementById("growth-note").innerHTML,
        })""",
        tmp_path,
    )
    assert console == []
    assert "2 of 2 evaluations failed" in found["chart"]
    assert (found["table"], found["cost"]) == (0, 0)
    assert "<code>nas confirm RUN</code>" in found["growth"]
