"""A search under a latency budget, from the job to the front measured whole."""

from __future__ import annotations

import dataclasses
import json

import pytest

from plugnas.modules import PlugnasError
from plugnas.nas.job import config as jobs
from plugnas.nas.job_run import run_job
from plugnas.nas.latency import LatencyTable, Settings, measure_table
from plugnas.space import SearchSpace

SPACE = {
    "stem": {"width": 4},
    "stages": [{"width": [4, 8], "depth": 1, "stride": 2}],
    "slots": {"operator": ["conv", "ghost"], "attention": ["none", "se"]},
}
JOB = {
    "data": "digits",
    "space": SPACE,
    "objectives": {"accuracy": "max", "latency_ms": "min"},
    "budget": {"latency_ms": 1000},
    "proxy": {"rungs": [{"images": 64, "epochs": 1, "validation_images": 64}]},
    "sampler": "random",
    "executor": "serial",
    "trials": 3,
    "latency": {"rounds": 2},
}
ANY = 1e9  # a limit that a busy machine meets too


@pytest.fixture(scope="module")
def table():
    space = SearchSpace.from_config(jobs.parse(JOB).space, (1, 8, 8), 10)
    return measure_table(space, Settings(rounds=2, limit=ANY), checks=2)


def _run(tmp_path, changes, caplog):
    caplog.set_level("INFO", logger="plugnas")
    job = jobs.parse({**JOB, **changes})
    result = run_job(job, tmp_path, tmp_path / "run")
    return result, caplog.messages


def test_the_table_stays_with_the_run_and_the_front_is_measured_whole(
    table, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr("plugnas.nas.latency.provision.measure_table", lambda *_, **__: table)
    result, said = _run(tmp_path, {}, caplog)
    assert LatencyTable.load(tmp_path / "run" / "latency.json") == table
    space = SearchSpace.from_config(jobs.parse(JOB).space, (1, 8, 8), 10)
    assert len(result.measurements) == 3
    for measured in result.measurements:
        predicted = table.predict(space.parts(measured.architecture))
        assert measured.costs["latency_ms"] == pytest.approx(predicted)
    whole = json.loads((tmp_path / "run" / "latency_front.json").read_text())
    assert {f["name"] for f in whole["figures"]} == {m.architecture.id for m in result.front}
    assert whole["rounds"] == 2
    assert any("latency of the space's pieces on cpu" in text for text in said)


@pytest.mark.parametrize(
    ("latency", "text"),
    [
        ({"runtime": "tensorrt"}, "job.yaml: `runtime: tensorrt` is not timed"),
        ({"dtype": "int8"}, "job.yaml: torch is timed in float32"),
        ({"device": "cuda:99"}, "job.yaml: the device cuda:99 is not there"),
    ],
)
def test_a_runtime_that_cannot_be_had_is_refused_before_anything_is_written(
    tmp_path, latency, text
):
    job = jobs.parse({**JOB, "latency": latency})
    with pytest.raises(PlugnasError, match=text):
        run_job(job, tmp_path, tmp_path / "run", where="job.yaml")
    assert not (tmp_path / "run").exists()


def test_another_machines_table_is_read_once_and_its_front_is_not_measured_here(
    table, tmp_path, monkeypatch, caplog
):
    conditions = dataclasses.replace(table.conditions, device_name="Raspberry Pi 5 Model B")
    dataclasses.replace(table, conditions=conditions).save(tmp_path / "pi.json")
    loaded, load = [], LatencyTable.load
    monkeypatch.setattr(LatencyTable, "load", lambda path: (loaded.append(path), load(path))[1])
    result, said = _run(tmp_path, {"latency": {"table": "pi.json"}}, caplog)
    assert loaded == [tmp_path / "pi.json"]
    assert result.front
    assert not (tmp_path / "run" / "latency_front.json").exists()
    assert "the latency table is another machine's: measure the front there" in said
