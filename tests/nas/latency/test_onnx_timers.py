"""Latency in onnxruntime: what is timed computes what the module computes, and tables say so."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from torch import nn

from plugnas.nas.cli import main
from plugnas.nas.job import config as jobs
from plugnas.nas.job_run import run_job
from plugnas.nas.latency import (
    Conditions,
    ForeignTableError,
    LatencyError,
    LatencyTable,
    Settings,
    measure_table,
    provide_table,
)
from plugnas.nas.latency.config import LatencyConfig
from plugnas.nas.latency.runtime import Timed, deploy_timers
from plugnas.space import SearchSpace

runtime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
pytestmark = pytest.mark.usefixtures("onnx_table")

ANY = 1e9  # a limit that a busy machine meets too
HERE = {"runtime": "onnxruntime", "limit": ANY}
JOB = {
    "data": "digits",
    "space": {
        "stem": {"width": 4},
        "stages": [{"width": 4, "depth": 1, "stride": 2}],
        "slots": {
            "operator": ["conv"],
            "attention": ["none", "se"],
            "fusion": ["add"],
            "activation": {"choices": ["relu"], "scope": "network"},
        },
    },
    "objectives": {"accuracy": "max", "latency_ms": "min"},
    "budget": {"latency_ms": 1000},
    "proxy": {"rungs": [{"images": 64, "epochs": 1, "validation_images": 64}]},
    "sampler": "random",
    "executor": "serial",
    "trials": 2,
    "latency": {"rounds": 2, "runtime": "onnxruntime"},
}


class Add(nn.Module):
    def forward(self, x, y):
        return x + y


class Twist(nn.Module):
    """Has no ONNX form."""

    def forward(self, x):
        return torch.linalg.qr(x).Q


@pytest.fixture(autouse=True)
def lock_dir(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("PLUGNAS_LOCK_DIR", str(tmp_path_factory.mktemp("locks")))


@pytest.fixture(scope="module")
def space():
    return SearchSpace.from_config(jobs.parse(JOB).space, (1, 8, 8), 10)


@pytest.fixture(scope="module")
def table(space, tmp_path_factory, onnx_table):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLUGNAS_LOCK_DIR", str(tmp_path_factory.mktemp("locks")))
        return measure_table(space, Settings(rounds=2, **HERE), checks=2)


def test_a_module_without_a_form_is_named():
    wanted = [Timed(nn.ReLU(), [(4, 4)], "good"), Timed(Twist(), [(4, 4)], "operator twist")]
    with pytest.raises(LatencyError, match=r"`operator twist` cannot be timed in onnxruntime"):
        deploy_timers(wanted, Settings(**HERE).conditions())


def test_a_sample_is_a_run_of_the_batch(monkeypatch):
    fed = []
    real = runtime.InferenceSession

    class Session(real):
        def run(self, names, feed):
            fed.append({name: x.shape for name, x in feed.items()})
            return super().run(names, feed)

    monkeypatch.setattr(runtime, "InferenceSession", Session)
    conditions = Settings(batch=5, **HERE).conditions()
    (timer,) = deploy_timers([Timed(Add(), [(2, 3, 3), (2, 3, 3)])], conditions)
    assert timer().wall > 0
    assert fed == [{"x0": (5, 2, 3, 3), "x1": (5, 2, 3, 3)}]


def test_a_table_names_its_runtime_and_holds_for_no_other(table, space, tmp_path):
    assert table.conditions.runtime == "onnxruntime"
    assert table.conditions.runtime_version == runtime.__version__
    assert f"onnxruntime {runtime.__version__} (exported by torch" in table.text()
    table.save(tmp_path / "ort.json")
    assert LatencyTable.load(tmp_path / "ort.json") == table
    same = LatencyConfig(table="ort.json", runtime="onnxruntime")
    assert provide_table(same, space, tmp_path) == table
    with pytest.raises(ForeignTableError, match="holds for the runtime it was measured with"):
        provide_table(LatencyConfig(table="ort.json"), space, tmp_path)
    with pytest.raises(ForeignTableError, match="extended under the conditions"):
        measure_table(space, Settings(rounds=2, limit=ANY), extend=table)
    old = dataclasses.replace(table.conditions, runtime_version="1.2.0")
    dataclasses.replace(table, conditions=old).save(tmp_path / "ort.json")
    with pytest.raises(ForeignTableError, match=r"runtime_version 1\.2\.0"):
        provide_table(same, space, tmp_path)


def test_a_table_from_before_runtimes_is_of_torch(table, tmp_path):
    table.save(tmp_path / "old.json")
    data = json.loads((tmp_path / "old.json").read_text())
    del data["conditions"]["runtime"], data["conditions"]["runtime_version"]
    (tmp_path / "old.json").write_text(json.dumps(data))
    assert LatencyTable.load(tmp_path / "old.json").conditions.runtime == "torch"


def test_a_search_in_onnxruntime_measures_its_front_there(table, tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO", logger="plugnas")
    monkeypatch.setattr("plugnas.nas.latency.provision.measure_table", lambda *_, **__: table)
    result = run_job(jobs.parse(JOB), tmp_path, tmp_path / "run")
    kept = LatencyTable.load(tmp_path / "run" / "latency.json")
    assert kept.conditions.runtime == "onnxruntime"
    whole = json.loads((tmp_path / "run" / "latency_front.json").read_text())
    assert whole["conditions"]["runtime"] == "onnxruntime"
    assert {f["name"] for f in whole["figures"]} == {m.architecture.id for m in result.front}
    assert any("on cpu in onnxruntime" in text for text in caplog.messages)
    assert f"latencies by {table.text()}" in caplog.messages


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"dtype": "bfloat16"}, "contiguous, in float32 or int8, but got cpu, bfloat16"),
        ({"memory_format": "channels_last"}, "float32, channels_last; leave those out"),
        ({"runtime": "onnx"}, "runtime is one of torch, onnxruntime"),
    ],
)
def test_what_the_runtime_does_not_take(options, text):
    with pytest.raises(LatencyError, match=text):
        Settings(**{**HERE, **options}).conditions()


def test_a_runtime_that_is_not_installed(monkeypatch):
    from importlib import metadata

    def absent(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", absent)
    with pytest.raises(LatencyError, match=r"not installed: pip install 'plugnas\[onnx\]'"):
        Conditions.here(runtime="onnxruntime")


def test_the_command(tmp_path, capsys):
    path = tmp_path / "job.yaml"
    path.write_text(json.dumps({k: JOB[k] for k in ("data", "space")}))
    argv = ["--runtime", "onnxruntime", "--sample", "1", "--rounds", "2", "--limit", "9", "--json"]
    assert main(["latency", str(path), *argv]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["conditions"]["runtime"] == "onnxruntime"
    assert all(figure["ms"] > 0 for figure in data["figures"])
