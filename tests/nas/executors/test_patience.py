"""Hung, stopped and dead workers: when they are given up, and what goes on meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plugnas.nas.executors import ExecutorError, LocalExecutor, local, local_worker, patience
from plugnas.nas.executors.local_worker import LocalWorker, cause_of_death
from plugnas.nas.executors.patience import Patience, Pulse
from plugnas.nas.ledger.measurement import Measurement, Task
from plugnas.nas.study.drive import drive
from tests.nas.runs import SPACE, Table, study

RNG = np.random.default_rng(0)


def took(seconds: float, rung: int = 0, status: str = "ok") -> Measurement:
    return Measurement(0, SPACE.sample(RNG), rung, 0, status, seconds=seconds)


def test_an_evaluation_gets_twenty_times_the_median_of_its_rung_and_ten_minutes_at_least() -> None:
    default = Patience()
    assert default.limit(0) is None
    for seconds in (50.0, 1.0, 40.0):
        default.learn(took(seconds))
        default.learn(took(5000.0, status="failed"))
    assert default.limit(0) == 800.0
    assert default.reason(0) == "hung: no result within 800 s (20 times its rung's median)"
    assert default.limit(1) is None
    for _ in range(3):
        default.learn(took(0.5, rung=1))
    assert default.limit(1) == 600.0


def test_what_was_asked_for_holds() -> None:
    asked = Patience(4.0)
    for _ in range(5):
        asked.learn(took(50.0))
    assert asked.limit(0) == 4.0
    assert asked.reason(0) == "hung: no result within 4 s"


def test_a_stopped_process_is_told_from_one_that_works_or_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr(patience.time, "monotonic", lambda: now[0])
    states = {1: "T", 2: "R", 3: "S", 4: None}
    monkeypatch.setattr(patience, "_state", states.get)
    pulses = {pid: Pulse() for pid in states}
    starting = Pulse()
    for pulse in pulses.values():
        pulse.hear()
    now[0] = 1e6  # the driver itself was stopped: nothing follows from it
    assert [pulse.fault(pid) for pid, pulse in pulses.items()] == [None] * 4
    for _ in range(15):
        now[0] += 1
        faults = [pulse.fault(pid) for pid, pulse in pulses.items()]
    assert faults[0] is not None and "SIGSTOP" in faults[0]
    assert faults[1:] == [None] * 3
    for _ in range(120):
        now[0] += 1
        faults = [pulse.fault(pid) for pid, pulse in pulses.items()]
        assert starting.fault(3) is None  # who has said nothing yet may be reading its images
    assert faults[2] is not None and "without a sign of life" in faults[2]
    assert faults[1] is None and faults[3] is None
    pulses[1].hear()
    assert pulses[1].fault(1) is None


def test_a_worker_that_was_stopped_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Defect: a worker under SIGSTOP held up the search for ever."""
    monkeypatch.setattr(patience, "STOPPED", 0.3)
    log = tmp_path / "log"
    run = study(trials=4)

    def stop_the_first() -> None:
        while not log.exists() or not log.read_text().endswith("\n"):
            time.sleep(0.01)
        os.kill(int(log.read_text().split()[1]), signal.SIGSTOP)

    stopper = threading.Thread(target=stop_the_first)
    stopper.start()
    drive(run, LocalExecutor(Table(seconds=0.2, log=log), workers=1))
    stopper.join()
    assert sum(m.ok for m in run.measurements) == 4
    assert any("SIGSTOP" in (m.reason or "") for m in run.measurements)


@dataclass(frozen=True)
class OneLives(Table):
    """An evaluator that only the first worker lives to make."""

    mark: Path = Path()

    def __call__(self) -> Callable[[Task], dict[str, Any]]:
        try:
            os.close(os.open(self.mark, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            os._exit(3)
        return self.evaluate


def test_dead_starts_end_nothing_while_another_worker_is_healthy(tmp_path: Path) -> None:
    """Defect: three dead starts ended a search that one worker was doing well."""
    run = study(trials=8)
    table = OneLives(seconds=0.6, mark=tmp_path / "mark")
    executor = LocalExecutor(table, workers=2)
    drive(run, executor)
    assert [m.ok for m in run.measurements] == [True] * 8
    assert executor._started >= local.FALSE_STARTS
    with pytest.raises(ExecutorError, match=r"3 in a row ended before that"):
        drive(study(trials=2), LocalExecutor(table, workers=1))


def test_a_kill_is_memory_s_doing_only_where_the_system_has_killed_since(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Defect: a worker killed before its first task was always said to be out of memory."""
    monkeypatch.setattr(local, "kills_for_memory", lambda: 7)
    monkeypatch.setattr(local_worker, "kills_for_memory", lambda: 7)
    executor = LocalExecutor(Table(), workers=1)
    worker = executor._start()
    assert isinstance(worker, LocalWorker)
    worker.process.kill()
    worker.process.join()
    assert cause_of_death(worker) == "killed: worker ended by SIGKILL"
    monkeypatch.setattr(local_worker, "kills_for_memory", lambda: 8)
    assert cause_of_death(worker) == "out of memory: the system killed the worker (SIGKILL)"


def test_the_pulse_of_a_real_process() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        os.kill(process.pid, signal.SIGSTOP)
        deadline = time.monotonic() + 10
        while patience._state(process.pid) != "T" and time.monotonic() < deadline:
            time.sleep(0.01)
        assert patience._state(process.pid) == "T"
        process.kill()
    assert patience._state(process.pid) is None
