"""What a search will take, told beforehand: the arithmetic, and a few real steps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml

from plugnas.nas.cli import main
from plugnas.nas.job.announcement import announcement
from plugnas.nas.job.config import load, parse
from plugnas.nas.job.forecast import Forecast, Timed, counts, forecast
from plugnas.nas.job.forecast_text import as_text
from plugnas.nas.job.prepared import prepare
from plugnas.nas.proxy import Recipe
from plugnas.nas.proxy.rehearsal import Pace

ROOT = Path(__file__).parents[3]
JOB = {
    "data": "digits",
    "space": {
        "stages": [{"width": [4, 16], "depth": [1, 2]}],
        "slots": {"attention": ["none", "se"]},
    },
    "executor": "serial",
    "device": "cpu",
    "trials": 12,
    "proxy": {"rungs": [{"zero_cost": "synflow"}, {"epochs": 1}, {"epochs": 2}]},
}


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    path = tmp_path_factory.mktemp("plan") / "job.yaml"
    path.write_text(yaml.safe_dump(JOB))
    return path


def test_the_seconds_of_a_training_are_those_of_its_steps_and_images():
    pace = Pace(begin=1.0, step=0.5, image=0.01, shared=0.1)
    recipe = Recipe(epochs=3, batch_size=64)
    # 640 images: 10 steps an epoch; statistics from 512, 100 scored
    assert pace.seconds(recipe, 640, 100) == pytest.approx(1 + 30 * 0.5 + 612 * 0.01)
    assert pace.seconds_once(recipe, 640, 100) == pytest.approx(74)
    every = Recipe(epochs=3, validate_every_epoch=True, images=128, validation_images=50)
    assert pace.seconds(every, 640, 100) == pytest.approx(1 + 6 * 0.5 + 3 * (128 + 50) * 0.01)


def test_the_time_to_the_end_is_that_of_all_workers():
    first, last = Timed(1, 3, 2, count=30), Timed(5, 15, 10, count=10, once=7)
    found = Forecast((first, last), Timed(40, 80, 60, 48), 30, 4, start=5, memory=2e9, slow=2)
    assert found.trainings == 7 + (30 * 2 + 10 * 10) / 4 + 5
    assert found.seconds == 5 + 2 * found.trainings
    assert found.per_hour == pytest.approx(3600 * 30 / (2 * found.trainings))
    assert found.confirm == 5 + 2 * (48 * 60 + 16 * 10) / 4
    text = as_text(found, "job.yaml")
    assert text.startswith("job.yaml: 30 architectures take about 2 minutes with 4 workers, 1.04k")
    assert "rung 2: 10 processor seconds each (5 to 15), 10 trainings; 7 seconds" in text
    assert "2GB for each worker, 8GB for all 4" in text
    assert "a worker gets 50 % of a processor; with one to itself the search takes about 57" in text


def test_a_plan_times_every_rung_and_the_long_training(job, capsys):
    before = torch.random.get_rng_state()
    assert main(["plan", str(job), "--json"]) == 0
    assert torch.equal(torch.random.get_rng_state(), before)
    found = json.loads(capsys.readouterr().out)
    counts = [rung["count"] for rung in found["rungs"]]
    assert counts[0] == 12 > counts[1] >= 4 >= counts[2] >= 1
    one, two = found["rungs"][1:]
    assert 0 < one["least"] < one["mean"] < one["most"]
    assert one["mean"] < two["mean"] < found["long"]["mean"]
    assert found["workers"] == 1
    assert found["memory_of_a_worker"] > 5e7
    assert not list(job.parent.glob("runs*"))


def test_networks_are_rehearsed_until_some_seconds_have_passed(job, monkeypatch):
    prepared = prepare(load(job), job.parent)
    enough = forecast(prepared)
    assert enough.networks == 9
    monkeypatch.setattr("plugnas.nas.job.forecast._PATIENCE", 0.0)
    few = forecast(prepared)
    assert few.networks == 2
    assert "From a few steps of 2 networks" in as_text(few, "job.yaml")


def test_the_host_unchanged_is_one_of_the_trials_and_is_not_promoted():
    two = {"rungs": [{"epochs": 1}, {"epochs": 2}], "promotion": "promise"}
    own = {**JOB, "trials": 9, "proxy": two, "sampler": "random"}
    sites = [{"after": "a", "slot": "attention", "choices": ["none", "se"]}]
    plugged = {**own, "space": {"host": {"model": "net.py:make"}, "sites": sites}}
    assert counts(parse(plugged)) == [9, 2 + 1]  # a third of the eight others, and the host
    assert counts(parse(own)) == [9, 3]


def test_a_frozen_host_is_computed_once_and_not_for_every_training():
    base = ROOT / "experiments"
    told = yaml.safe_load((base / "host_digits.yaml").read_text())
    told |= {"executor": "serial", "proxy": {"rungs": [{"epochs": 1, "freeze": "host"}, {}]}}
    prepared = prepare(parse(told), base)
    job = prepared.job
    assert job.proxy.rungs[0].freeze == "host"
    found = forecast(prepared)
    assert found.rungs[0].once > 0
    assert found.rungs[1].once == 0


def test_a_training_of_ones_own_cannot_be_timed_and_says_so(tmp_path, capsys):
    (tmp_path / "train.py").write_text("def train(network, context): return {'score': 1.0}\n")
    own = {k: v for k, v in JOB.items() if k not in ("data", "proxy")}
    own |= {"evaluate": "train.py:train", "input": [3, 8, 8], "classes": 2}
    own["objectives"] = {"score": "max", "flops": "min"}
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(own))
    assert main(["plan", str(tmp_path / "job.yaml")]) == 2
    assert "cannot be timed beforehand" in capsys.readouterr().err


def test_the_announcement_says_how_long(job):
    prepared = prepare(load(job), job.parent)
    lines = announcement(prepared)
    assert "for all 12 trials" in lines[-1]
    short = prepare(parse({**JOB, "trials": 3}), job.parent)
    assert "sampler" in announcement(short)[-1]
