"""MLflow and Weights & Biases through Ray: every measurement arrives, by their own records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from plugnas.nas import executors
from plugnas.nas.executors.callbacks import CallbackError, of_ray
from plugnas.nas.study.drive import drive
from plugnas.nas.study.study import Study
from tests.nas.runs import CountCost, Table, study

ray = pytest.importorskip("ray")

# three libraries' own warnings, none of it ours to mend
pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore")]

ROOT = str(Path(__file__).parents[3])


@pytest.fixture(scope="module")
def alone() -> Iterator[None]:
    """Ray on this machine with two CPUs, for as long as the module's tests last."""
    options: dict[str, Any] = {"address": "local", "num_cpus": 2, "include_dashboard": False}
    environment = {"PYTHONPATH": ROOT, "OMP_NUM_THREADS": "1"}
    ray.init(log_to_driver=False, runtime_env={"env_vars": environment}, **options)
    yield
    ray.shutdown()


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("WANDB_MODE", "WANDB_API_KEY", "MLFLOW_TRACKING_URI"):
        monkeypatch.setenv(name, "")  # so that it is taken back afterwards
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


def run(callbacks: list[Any], run_dir: Path, table: Table) -> Study:
    made = study(trials=4)
    options = {"callbacks": callbacks, "run_dir": run_dir, "cost": CountCost()}
    drive(made, executors.create("ray", table, workers=2, max_failures=0, **options))
    return made


def expected(made: Study) -> dict[str, tuple[float, float]]:
    return {
        f"{m.number}-0-0-0": (m.values["accuracy"], m.costs["params"])
        for m in made.measurements
        if m.ok
    }


def test_mlflow_gets_every_measurement(alone: None, tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow")
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    bad = study(trials=1).ask().architecture.id  # type: ignore[union-attr]
    named = {"mlflow": {"tracking_uri": store, "experiment_name": "tests"}}
    made = run([named], tmp_path, Table(faults={bad: "nan"}))
    client = mlflow.MlflowClient(store)
    (experiment,) = [e for e in client.search_experiments() if e.name == "tests"]
    runs = client.search_runs([experiment.experiment_id])
    metrics = {r.info.run_name: r.data.metrics for r in runs}
    assert metrics["0-0-0-0"]["failed"] == 1.0
    arrived = {n: (m["accuracy"], m["params"]) for n, m in metrics.items() if not m["failed"]}
    assert arrived == expected(made)
    assert len(arrived) == 3
    assert {r.data.params["task"] for r in runs} == {m.architecture.id for m in made.measurements}
    assert {r.info.status for r in runs} == {"FINISHED"}


def test_wandb_gets_every_measurement_without_a_server(alone: None, tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    made = run([{"wandb": {"project": "tests", "mode": "offline"}}], tmp_path, Table())
    files = list((tmp_path / "ray" / "wandb").glob("offline-run-*/*.wandb"))
    assert len(files) == 4
    arrived = {}
    for file in files:
        name, logged = read_wandb(file)
        arrived[name] = (float(logged["accuracy"]), float(logged["params"]))
    assert arrived == expected(made)


def read_wandb(file: Path) -> tuple[str, dict[str, str]]:
    """Read a run's name and what it logged: 7 bytes, then blocks of 32 KiB of framed records."""
    from wandb.proto import wandb_internal_pb2

    data, at, record = file.read_bytes(), 7, b""
    name, logged = "", {}
    while at + 7 <= len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        size, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        record += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind not in (1, 4):  # 1 is a whole record, 4 the last part of one
            continue
        message = wandb_internal_pb2.Record.FromString(record)
        record = b""
        if message.WhichOneof("record_type") == "run":
            name = message.run.display_name
        for item in message.history.item:
            logged[item.key or "/".join(item.nested_key)] = item.value_json
    return name, logged


def test_wandb_without_key_or_project_is_refused_at_once(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    with pytest.raises(CallbackError, match="wandb cannot begin: No WandB API key"):
        of_ray([{"wandb": {"project": "tests"}}], tmp_path)
    with pytest.raises(CallbackError, match="wandb cannot begin: Please pass the project"):
        of_ray([{"wandb": {"mode": "offline"}}], tmp_path)
