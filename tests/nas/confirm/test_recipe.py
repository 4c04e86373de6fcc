"""One long recipe for confirmation and export, and everybody who listens hears of it."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from plugnas.nas import confirm as confirmations
from plugnas.nas.confirm import run as confirm_run
from plugnas.nas.confirm.outcome import paths
from plugnas.nas.confirm.recipe import long_recipe
from plugnas.nas.data import load
from plugnas.nas.export import weights
from plugnas.nas.job.config import parse
from plugnas.nas.job_run import run_job
from plugnas.nas.proxy.defaults import confirmation_of
from plugnas.nas.run.view import open_run
from plugnas.nas.study.drive import Outcome
from plugnas.space.typed import ConfigError
from tests.nas.report.synthetic_run import SPACE, make_run


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def confirmed_before(run, epochs):
    long, _ = paths(run.path)
    long.parent.mkdir()
    header = {"ledger": 1, "space": "x", "confirm": {"recipe": {"epochs": epochs}}}
    long.write_text(json.dumps(header) + "\n")


def test_the_recipe_is_asked_for_or_the_job_s_or_the_earlier_one(tmp_path, digits):
    """Defect: export --train did not know of `nas confirm --epochs`."""
    run = make_run(tmp_path / "run", trials=3)
    assert long_recipe(open_run(run.path), digits) == confirmation_of(
        digits.input_shape, len(digits.train) + len(digits.validation)
    )
    confirmed_before(run, 2)
    assert long_recipe(open_run(run.path), digits).epochs == 2
    assert long_recipe(open_run(run.path), digits, epochs=5).epochs == 5
    told = make_run(tmp_path / "told", trials=3, confirm={"epochs": 7})
    confirmed_before(told, 2)
    assert long_recipe(open_run(told.path), digits).epochs == 7
    assert weights.long_recipe is long_recipe


def test_every_listener_hears_of_a_confirmation(tmp_path, monkeypatch):
    """Defect: only the first did."""
    heard = []

    def measure_all(*_, on_event, objectives, **__):
        heard.append((list(on_event), objectives))
        return Outcome("done", 0, 0.0)

    monkeypatch.setattr(confirm_run, "measure_all", measure_all)
    run = make_run(tmp_path / "run", trials=6)
    listeners = [print, repr]
    assert confirmations.confirm(open_run(run.path), on_event=listeners) is None
    assert heard == [(listeners, {"accuracy": "max"})] * 2


def test_a_job_s_confirmation_hears_them_too(tmp_path, monkeypatch):
    heard = []

    def confirm(view, *, on_event):
        heard.append(list(on_event))

    monkeypatch.setattr(confirmations, "confirm", confirm)
    job = parse(
        {
            "space": SPACE,
            "trials": 1,
            "sampler": "random",
            "proxy": {"rungs": [{"epochs": 1, "images": 64}]},
            "executor": "serial",
            "confirm": {},
        }
    )
    kinds = ([], [])
    listeners = [lambda event, i=i: kinds[i].append(event.kind) for i in (0, 1)]
    result = run_job(job, tmp_path, tmp_path / "run", on_event=listeners)
    assert heard == [listeners]
    assert kinds[0] == kinds[1]
    assert kinds[0][-1] == "end"
    assert result.metric.name == "accuracy"
    assert open_run(tmp_path / "run").measurements == result.measurements


def test_a_job_s_own_settings_replace_those_that_suit_the_images(tmp_path, digits):
    usual = confirmation_of(digits.input_shape, len(digits.train) + len(digits.validation))
    own = {"epochs": 2, "recipe": {"images": 500, "learning_rate": 0.02}}
    run = make_run(tmp_path / "run", trials=3, confirm=own)
    expected = replace(usual, epochs=2, images=500, learning_rate=0.02)
    assert long_recipe(open_run(run.path), digits) == expected


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ({"image": 500}, "did you mean `images`"),
        ({"learning_rate": 0}, "learning_rate"),
        ({"epochs": 3}, "say it as `confirm.epochs`"),
        ({"zero_cost": "synflow"}, "cannot say `zero_cost`"),
    ],
)
def test_settings_that_no_recipe_has_are_refused(recipe, said):
    with pytest.raises(ConfigError, match="confirm") as refused:
        parse({"space": SPACE, "confirm": {"recipe": recipe}})
    assert said in str(refused.value)
