"""Trainers of other libraries as evaluators: the examples, at small size."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import msgspec
import pytest

from plugnas.nas.job.config import load, parse
from plugnas.nas.job_run import run_job

EXAMPLES = Path(__file__).parents[3] / "experiments" / "examples"


@pytest.fixture
def searched(tmp_path, monkeypatch):
    """Return a function that runs the job of the examples, small, with another evaluator."""
    monkeypatch.syspath_prepend(str(EXAMPLES))

    def run(**changes):
        plain = msgspec.to_builtins(load(EXAMPLES / "own_training.yaml"))
        small = {"trials": 2, "executor": "serial", "sampler": "random"}
        job = {**{k: v for k, v in plain.items() if v is not None}, **small, **changes}
        return run_job(parse(job), EXAMPLES, tmp_path / "run")

    return run


RUNGS = {"rungs": [{"epochs": 2}]}


@pytest.mark.filterwarnings("ignore")  # Lightning warns of few workers, and of torch's future
def test_a_lightning_module(searched):
    pytest.importorskip("lightning")
    view = searched(evaluate="with_lightning.py:train", proxy=RUNGS)
    assert view.failures == [] and all(0 < m.values["error"] < 3 for m in view.measurements)
    curve = view.measurements[0].curve
    assert [point["epoch"] for point in curve] == [1, 2]
    assert curve[1]["train_loss"] < curve[0]["train_loss"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_timm_s_training_functions(searched):
    pytest.importorskip("timm")
    objectives = {"top1": "max", "flops": "min"}
    more = {"classes": 6, "proxy": RUNGS}
    view = searched(evaluate="with_timm.py:train", objectives=objectives, **more)
    assert view.failures == [] and all(0 <= m.values["top1"] <= 1 for m in view.measurements)
    assert [point["epoch"] for point in view.measurements[0].curve] == [1, 2]


class Trainer:
    """What the example uses of Ultralytics' trainers."""

    def __init__(self, overrides):
        self.told, self.model, self.heard = overrides, None, []
        self.epoch, self.metrics = 0, {}

    def add_callback(self, event, function):
        assert event == "on_fit_epoch_end"
        self.heard.append(function)

    def train(self):
        assert sum(p.numel() for p in self.model.parameters()) > 0
        for epoch in range(self.told["epochs"]):
            self.epoch = epoch
            self.metrics = {"metrics/mAP50(B)": 0.1 * (self.epoch + 1)}
            for function in self.heard:
                function(self)


def test_a_trainer_that_takes_a_model_object(searched, monkeypatch):
    module = types.ModuleType("ultralytics.models.yolo.detect")
    module.DetectionTrainer = Trainer
    for name in ("ultralytics", "ultralytics.models", "ultralytics.models.yolo"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setenv("DATA", "cells.yaml")
    objectives = {"map50": "max", "flops": "min"}
    view = searched(evaluate="with_ultralytics.py:train", objectives=objectives, proxy=RUNGS)
    assert [m.values for m in view.measurements] == [{"map50": 0.2}] * 2
    assert [dict(p) for p in view.measurements[0].curve] == [
        {"epoch": 1, "map50": 0.1}, {"epoch": 2, "map50": 0.2},
    ]  # fmt: skip
