"""One evaluation as a measurement, and the lock that only trainings take."""

from __future__ import annotations

import pytest

from plugnas.nas.executors.measure import Training, measure
from plugnas.nas.ledger.measurement import Task
from plugnas.space import SearchSpace

TASK = Task(0, SearchSpace({"a": [1, 2]}).architecture({"a": 1}))


class Trains(Training):
    def __call__(self, task):
        return {"values": {"accuracy": 0.5}}


@pytest.fixture
def no_lock_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PLUGNAS_LOCK_DIR", str(tmp_path / "missing"))


@pytest.mark.usefixtures("no_lock_folder")
def test_a_plain_function_needs_no_lock():
    found = measure(TASK, lambda task: {"values": {"accuracy": 0.5}})
    assert found.ok and found.values == {"accuracy": 0.5}


@pytest.mark.usefixtures("no_lock_folder")
def test_a_training_does_and_says_what_to_do():
    found = measure(TASK, Trains())
    assert not found.ok and "PLUGNAS_LOCK_DIR" in found.reason


def test_a_training_begins_after_the_lock_is_held():
    begun = []
    assert measure(TASK, Trains(), on_begin=lambda: begun.append(True)).ok
    assert begun == [True]
