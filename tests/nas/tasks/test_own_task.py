"""A task from a user's file: its loss and metrics, through proxy, objectives and workers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from plugnas.modules import PlugnasError
from plugnas.nas.job.config import parse
from plugnas.nas.job_run import run_job
from plugnas.nas.tasks import TaskError, create, placed

SPACE = {"stages": [{"width": [4, 6]}], "slots": {"attention": ["none", "se"]}}
RUNGS = [{"epochs": 1, "images": 100, "validation_images": 50}]
FILE = '''
import torch
from torch.nn import functional as F
from plugnas.nas.tasks import Task


class Brightness(Task):
    """How far a digit is from 4.5, as one number."""

    metrics = {"mae": "min"}

    def __init__(self, scale=1.0):
        self.scale = scale

    def outputs(self, dataset):
        return 1

    def loss(self, outputs, labels, smoothing=0.0):
        return F.mse_loss(outputs[:, 0], (labels - 4.5) * self.scale)

    def tally(self, outputs, labels):
        off = (outputs[:, 0] - (labels - 4.5) * self.scale).double()
        return torch.stack([off.abs().sum(), (off**2).sum(), torch.ones_like(off).sum()])

    def score(self, tally):
        mae, mse, count = tally.tolist()
        return {"mae": mae / count, "loss": mse / count}


class NoMetric(Task):
    metrics = {"mae": "less"}


class Nothing(Task):
    pass
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "own.py").write_text(FILE)
    return tmp_path


@pytest.mark.parametrize("executor", ["serial", "local"])
def test_a_search_by_a_metric_of_ones_own(folder, executor, monkeypatch):
    monkeypatch.setenv("PLUGNAS_CACHE", str(folder / "cache"))
    job = parse(
        {
            "space": SPACE, "task": {"own.py:Brightness": {"scale": 0.5}}, "trials": 3,
            "proxy": {"rungs": RUNGS}, "executor": executor, "workers": 1, "sampler": "random",
        }
    )  # fmt: skip
    view = run_job(job, folder, folder / "run")
    assert view.objectives == {"mae": "min", "flops": "min"}
    assert [m.reason for m in view.failures] == [] and len(view.measurements) == 3
    assert view.metric.name == "mae" and view.metric.direction == "min"
    assert all(0 < m.values["mae"] < 5 for m in view.measurements)
    best = min(view.measurements, key=lambda m: m.values["mae"])
    assert view.best is not None and view.best.id == best.architecture.id
    assert view.space.build(best.architecture)(torch.zeros(2, 1, 8, 8)).shape == (2, 1)


def test_objectives_must_be_the_tasks(folder):
    from plugnas.nas.job.prepared import prepare

    job = parse({"space": SPACE, "task": "own.py:Brightness", "objectives": {"accuracy": "max"}})
    with pytest.raises(PlugnasError, match=r"neither a metric of the task \(mae"):
        prepare(job, folder)


@pytest.mark.parametrize(
    ("name", "law"),
    [
        ("own.py:Brightnes", "did you mean `Brightness`"),
        ("own.py:F", "a class derived from"),
        ("own.py:NoMetric", "must map at least one name to max or min"),
        ("own.py:Nothing", "must map at least one name to max or min"),
        ("other.py:Brightness", "other.py"),
    ],
)
def test_a_file_that_gives_no_task(folder, name, law):
    with pytest.raises(PlugnasError, match=law):
        create(name, folder)


def test_an_option_of_ones_own_is_checked(folder):
    with pytest.raises(TaskError, match="has no option `scales`"):
        create({"own.py:Brightness": {"scales": 2}}, folder)


def test_workers_find_the_file_from_anywhere(folder):
    assert placed("own.py:Brightness", folder) == {f"{folder / 'own.py'}:Brightness": {}}
    assert placed("classification", folder) == {"classification": {}}
