"""Accuracy in int8 as an objective: scored at the last rung, told, and explained."""

from __future__ import annotations

import json

import pytest

from plugnas.nas.cli import main
from plugnas.nas.confirm.training import LongTraining
from plugnas.nas.job import config as jobs
from plugnas.nas.job.workers import evaluator
from plugnas.nas.job_run import run_job
from plugnas.nas.ledger.measurement import Task
from plugnas.nas.run.prepare_again import prepare_again
from plugnas.nas.run.view import open_run
from plugnas.space.typed import ConfigError

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

JOB = {
    "data": "digits",
    "space": {
        "stem": {"width": 4},
        "stages": [{"width": 4, "depth": 1, "stride": 2}],
        "slots": {"operator": ["conv"], "attention": ["none", "se", "eca"], "fusion": ["add"]},
    },
    "objectives": {"accuracy_int8": "max", "flops": "min"},
    "proxy": {
        "rungs": [
            {"images": 64, "epochs": 1, "validation_images": 64},
            {"images": 128, "epochs": 2, "validation_images": 64},
        ]
    },
    "sampler": "random",
    "executor": "serial",
    "trials": 3,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("int8")
    run_job(jobs.parse(JOB), folder, folder / "run")
    return folder / "run"


def test_the_last_rung_alone_scores_the_quantised_network(run):
    measured = open_run(run).measurements
    assert {m.rung for m in measured} == {0, 1}
    for m in measured:
        assert m.ok
        assert ("accuracy_int8" in m.values) == (m.rung == 1)
        assert 0 <= m.values.get("accuracy_int8", 0) <= 1


def test_explain_says_which_modules_lose_most(run, capsys):
    assert main(["explain", str(run), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["int8"]
    assert found["metric"] == "accuracy"
    assert found["architectures"] == len([m for m in open_run(run).measurements if m.rung == 1])
    losses = [one["loss"] for one in found["modules"]]
    assert losses == sorted(losses, reverse=True)
    assert main(["explain", str(run)]) == 0
    assert "By int8 the" in capsys.readouterr().out


def test_a_confirmation_scores_the_quantised_network_on_test_images(run, tmp_path):
    view = open_run(run)
    prepared = prepare_again(view.job_run)
    proxy = evaluator(prepared)
    training = LongTraining(proxy, proxy.rungs[0], str(tmp_path))()
    result = training(Task(0, view.measurements[0].architecture, 0, 7))
    assert {"accuracy", "accuracy_int8"} <= result["values"].keys()
    assert "reason" not in result


def test_its_export_states_the_metric_of_the_float_weights(run, tmp_path):
    argv = ["export", str(run), "--pick", "best", "--format", "safetensors"]
    assert main([*argv, "--to", str(tmp_path / "out")]) == 0
    text = " ".join((tmp_path / "out" / "README.md").read_text().split())
    assert "with the recorded accuracy" in text
    assert "accuracy_int8" not in text


def test_an_unknown_metric_in_int8_is_refused(tmp_path):
    job = jobs.parse({**JOB, "objectives": {"accurracy_int8": "max"}})
    with pytest.raises(ConfigError, match="did you mean `accuracy_int8`"):
        run_job(job, tmp_path, tmp_path / "run")
