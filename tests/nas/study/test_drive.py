"""The loop of a run: what listeners hear, how a session ends, and that the executor is closed."""

from __future__ import annotations

import pytest

from plugnas.nas.executors import SerialExecutor
from plugnas.nas.study.drive import drive
from plugnas.nas.study.study import StudyError
from tests.nas.executors.test_executors import ids
from tests.nas.runs import Table, study


class Watched(SerialExecutor):
    """A serial executor that counts how often it is closed."""

    closed = 0

    def close(self):
        self.closed += 1
        super().close()


def test_listeners_hear_begin_every_measurement_and_end():
    heard, told = [], []

    def listen(event):
        heard.append(event.kind)
        if event.kind == "measured":
            told.append(event.measurement)

    run, executor = study(trials=3), Watched(Table())
    outcome = drive(run, executor, on_event=[listen])
    assert heard[0] == "begin"
    assert heard[-1] == "end"
    assert told == list(run.measurements)
    assert (outcome.reason, outcome.measured) == ("done", 3)
    assert executor.closed == 1


def test_after_the_timeout_nothing_is_begun():
    run, executor = study(trials=3), Watched(Table())
    outcome = drive(run, executor, timeout=0)
    assert (outcome.reason, outcome.measured) == ("timeout", 0)
    assert executor.closed == 1
    assert drive(run, Watched(Table())).measured == 3  # the same study goes on


class Queueing(Watched):
    """Takes one task more than it runs, as local workers do."""

    capacity = 2
    now = 0.0

    def recall(self):
        waiting = list(self._tasks)
        self._tasks.clear()
        return waiting


def test_what_waits_at_the_timeout_is_taken_back(monkeypatch):
    run, executor = study(trials=4), Queueing(Table())
    clock = iter([0.0, 0.0, *[100.0] * 50])
    monkeypatch.setattr("plugnas.nas.study.drive.time.monotonic", lambda: next(clock))
    outcome = drive(run, executor, timeout=50)
    assert outcome.reason == "timeout" and not run.running
    assert outcome.measured < 2
    assert drive(run, Watched(Table())).reason == "done"
    assert len(run.measurements) == 4


def test_an_interrupt_ends_the_session_and_what_was_told_is_kept():
    kinds = []

    def listen(event):
        kinds.append(event.kind)
        if event.kind == "measured" and event.study.finished == 2:
            raise KeyboardInterrupt

    run, executor = study(trials=5), Watched(Table())
    assert drive(run, executor, on_event=[listen]).reason == "interrupted"
    assert len(run.measurements) == 2
    assert kinds[-1] == "end"
    assert executor.closed == 1


def test_a_search_in_which_nothing_works_ends_with_the_reason():
    executor = Watched(Table(faults=dict.fromkeys(ids(200), "raise")))
    with pytest.raises(StudyError, match="all of the first"):
        drive(study(trials=200), executor)
    assert executor.closed == 1
