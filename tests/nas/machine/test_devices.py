"""Devices: what a job trains on, here or on a cluster; several GPUs are shared out evenly."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import pytest
import torch

from plugnas.modules import PlugnasError
from plugnas.nas.executors import LocalExecutor
from plugnas.nas.job.config import parse
from plugnas.nas.job.workers import device_of
from plugnas.nas.study.drive import drive
from tests.nas.runs import sees, study

SPACE = {"space": {"stages": [{"width": [4, 8]}]}}


@pytest.mark.parametrize(
    ("job", "device"),
    [
        ({}, "cpu"),
        ({"device": "cpu"}, "cpu"),
        ({"executor": "ray"}, "cpu"),
        ({"executor": {"name": "ray", "gpus": 0.25}}, "cuda"),
        ({"executor": {"name": "ray", "gpus": 0.25}, "device": "cuda"}, "cuda"),
        ({"executor": {"name": "ray", "gpus": 0.25}, "device": "cuda:1"}, "cuda"),
        ({"executor": {"name": "ray", "gpus": 0.25}, "device": "cpu"}, "cpu"),
    ],
)
def test_device_of_a_job_where_this_machine_has_no_gpu(
    monkeypatch: pytest.MonkeyPatch, job: dict[str, Any], device: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert device_of(parse({**SPACE, **job})) == device


def test_auto_takes_the_gpu_of_this_machine_but_not_a_clusters_unasked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device_of(parse(SPACE)) == "cuda"
    assert device_of(parse({**SPACE, "executor": "ray"})) == "cpu"


def test_gpus_that_are_not_there_or_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(PlugnasError, match="needs a CUDA GPU and torch sees 0"):
        device_of(parse({**SPACE, "device": "cuda"}))
    with pytest.raises(PlugnasError, match="such as `executor: .name: ray, gpus: 0.25.`"):
        device_of(parse({**SPACE, "device": "cuda", "executor": "ray"}))


@pytest.mark.parametrize(("variable", "names"), [("", {0.0, 1.0}), ("3,5", {3.0, 5.0})])
def test_workers_are_shared_out_over_gpus(
    monkeypatch: pytest.MonkeyPatch, variable: str, names: set[float]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)
    run = study(trials=24)
    drive(run, LocalExecutor(sees, workers=4, gpus=2))
    ok = [m for m in run.measurements if m.ok]
    seen = {m.worker.split()[0]: m.values["accuracy"] for m in ok}
    assert set(seen.values()) <= names
    assert max(Counter(seen.values()).values()) <= 3  # two each, and the one that was replaced
    assert os.environ["CUDA_VISIBLE_DEVICES"] == variable
