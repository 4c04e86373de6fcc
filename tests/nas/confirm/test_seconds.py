"""What a confirmation would take, by what the search took."""

from __future__ import annotations

import math
from dataclasses import replace

import msgspec
import pytest

from plugnas.nas.confirm.outcome import FRONT, Confirmed, summarise
from plugnas.nas.confirm.seconds import seconds_of_confirmation
from plugnas.nas.machine.duration import spoken
from plugnas.nas.proxy.defaults import confirmation_of
from plugnas.nas.report import noise
from plugnas.nas.report.noise import _settling
from plugnas.nas.run.seconds import seconds_of_training
from plugnas.nas.run.view import RunView
from tests.nas.report.synthetic_run import make_run


def test_the_price_grows_with_networks_seeds_and_pixels(tmp_path):
    view = RunView.open(make_run(tmp_path / "run", trials=30, workers=2))
    run = view.job_run
    assert math.isnan(seconds_of_confirmation(view))  # a run of version 0.1 counts no images
    facts = msgspec.structs.replace(run.facts, images={"train": 1000, "validation": 300})
    view = replace(view, directory=replace(run, facts=facts))
    long = confirmation_of((1, 8, 8), 1300)
    each = seconds_of_training(view, [m.id for m in view.front])
    more = long.epochs * 1300 / (4 * 1000)  # the rung has 4 epochs of 1,000 images
    found = seconds_of_confirmation(view)
    assert found == pytest.approx(2 * len(view.front) * each * (1 + 3 * more) / 2)
    assert _settling(view).endswith(f"settles them, about {spoken(found)}")


def test_once_confirmed_the_command_is_not_proposed_again(tmp_path, monkeypatch):
    """Defect: it went on to say that `nas confirm` settles what it had left open."""
    view = RunView.open(make_run(tmp_path / "run", trials=30))
    each = [
        Confirmed(m.architecture, FRONT, 0.9, 0.01, 3, (0.89, 0.9, 0.91), 0.9, 0.9, m.costs, (i,))
        for i, m in enumerate(view.front)
    ]
    whole = summarise(each, 0, {}, view.objectives, view.metric)
    pairs = len(each) * (len(each) - 1) // 2
    monkeypatch.setattr(noise, "read", lambda _: whole)
    assert _settling(view) == (
        f"; `nas confirm` under 3 seeds tells 0 of {pairs} pairs of the front apart"
    )
    monkeypatch.setattr(noise, "read", lambda _: replace(whole, missing=1))
    assert "settles them" in _settling(view)
