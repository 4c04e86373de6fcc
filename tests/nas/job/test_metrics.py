"""Objectives of a job: any metric in the file, those of the task when it is prepared."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugnas.modules import PlugnasError
from plugnas.nas.job.config import parse
from plugnas.nas.job.metrics import check_objectives
from plugnas.nas.job.prepared import prepare

SPACE = {"stages": [{"width": [4, 8]}], "slots": {"attention": ["none", "se"]}}


def test_a_job_may_name_any_metric():
    asked = {"miou": "max", "loss": "min", "latency_ms": "min"}
    assert parse({"space": SPACE, "objectives": asked}).objectives == asked


@pytest.mark.parametrize(
    ("objectives", "law"),
    [
        ({"accurracy": "max"}, "neither a metric of the task.*did you mean `accuracy`"),
        ({"loss": "min", "flops": "min"}, "`loss` is neither"),
        ({"accuracy": "min"}, "objectives.accuracy must be `max`, but got `min`"),
    ],
)
def test_the_task_refuses_what_it_does_not_measure(objectives, law):
    job = parse({"space": SPACE, "objectives": objectives})
    with pytest.raises(PlugnasError, match=law):
        prepare(job, Path())


def test_another_task_has_other_metrics():
    check_objectives({"dice": "max", "flops": "min"}, {"miou": "max", "dice": "max"})
    with pytest.raises(PlugnasError, match="miou, dice"):
        check_objectives({"accuracy": "max"}, {"miou": "max", "dice": "max"})
