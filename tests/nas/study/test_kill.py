"""Drivers that are killed, interrupted and started again: nothing is lost, nothing done twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from plugnas.nas.executors import SerialExecutor
from plugnas.nas.ledger.ledger import read
from plugnas.nas.ledger.lock import LockError, RunLock
from plugnas.nas.study.drive import drive
from tests.nas.executors.test_executors import environment
from tests.nas.runs import Table, found, lines_in, open_gate, study

DRIVER = """
import sys, warnings
from pathlib import Path
from plugnas.nas.study.drive import drive
from plugnas.nas.executors import LocalExecutor, SerialExecutor
from plugnas.nas.ledger.ledger import LedgerWarning
from plugnas.nas.ledger.lock import RunLock
from tests.nas.runs import Table, study

def main(run_dir, kind, trials):
    warnings.simplefilter("ignore", LedgerWarning)
    with RunLock(run_dir):
        run = study(run_dir / "ledger.jsonl", trials=trials)
        table = Table(seconds=0.01, log=run_dir / "log", gate=run_dir / "gate")
        executor = SerialExecutor(table) if kind == "serial" else LocalExecutor(table, workers=2)
        print("begun", flush=True)
        outcome = drive(run, executor)
        print(outcome.reason, flush=True)

if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
"""


def start(tmp_path: Path, kind: str, trials: int) -> subprocess.Popen[str]:
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    command = [sys.executable, str(script), str(tmp_path / "run"), kind, str(trials)]
    return subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def recorded(run_dir: Path) -> int:
    return lines_in(run_dir / "ledger.jsonl")


def let_pass(run_dir: Path, more: int) -> None:
    """Let a driver begin so many more evaluations, so that it cannot be through too soon."""
    run_dir.mkdir(exist_ok=True)
    open_gate(run_dir / "gate", lines_in(run_dir / "log") + more)


def check(tmp_path: Path, trials: int) -> None:
    """The ledger says what an undisturbed run says, and no finished evaluation was repeated."""
    whole = study(trials=trials)
    drive(whole, SerialExecutor(Table()))
    again = study(tmp_path / "run" / "ledger.jsonl", trials=trials)
    assert found(again.measurements) == found(whole.measurements)
    assert again.ask() is None
    keys = Counter((m.key, m.attempt) for m in again.measurements)
    assert max(keys.values()) == 1


@pytest.mark.parametrize(("kind", "moments"), [("serial", 14), ("local", 6)])
def test_driver_killed_at_random_moments(tmp_path: Path, kind: str, moments: int) -> None:
    """Twenty moments: in start-up, between measurements, in the middle of a write."""
    trials = 100
    chance = random.Random(7)
    run_dir = tmp_path / "run"
    for _ in range(moments):
        before, more = recorded(run_dir), chance.randint(0, 4)
        let_pass(run_dir, more + 2)
        with start(tmp_path, kind, trials) as driver:
            while recorded(run_dir) < before + more:
                assert driver.poll() is None
                time.sleep(0.001)
            time.sleep(chance.random() * 0.02)
            assert driver.poll() is None
            driver.kill()
    let_pass(run_dir, trials * 2)
    with start(tmp_path, kind, trials) as driver:
        assert driver.communicate()[0].endswith("done\n")
    check(tmp_path, trials)
    begun = Counter(line.split()[0] for line in (tmp_path / "run" / "log").read_text().splitlines())
    half_done = sum(begun.values()) - trials
    assert half_done <= moments * (1 if kind == "serial" else 2)


PREDICTOR = """
import sys
from pathlib import Path

def main(run_dir, trials):  # what it imports, the workers need not
    from plugnas.nas.cost import FunctionCost
    from plugnas.nas.study.drive import drive
    from plugnas.nas.executors import LocalExecutor
    from plugnas.nas.ledger.ledger import Ledger
    from plugnas.nas.samplers import create
    from plugnas.nas.study.study import Study
    from plugnas.space import SearchSpace
    from tests.nas.runs import CountCost, Table, problem

    space = SearchSpace({f"layer{i}": ["id", "conv", "mb3", "mb6"] for i in range(6)})
    asked = problem(space, cost=FunctionCost(CountCost().cost, ["params"], space))
    ledger = Ledger.open(run_dir / "ledger.jsonl", space)
    run = Study(asked, create("predictor", asked), ledger, trials=trials)
    table = Table(seconds=0.1, log=run_dir / "log", ids=True)
    print(drive(run, LocalExecutor(table, workers=3)).reason, flush=True)

if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
"""


def test_what_a_killed_driver_had_begun_is_run_again(tmp_path: Path) -> None:
    """A sampler that learns would by now name others; those that had begun are measured first."""
    (tmp_path / "run").mkdir()
    script, log = tmp_path / "driver.py", tmp_path / "run" / "log"
    script.write_text(PREDICTOR)
    command = [sys.executable, str(script), str(tmp_path / "run"), "24"]
    with subprocess.Popen(command, env=environment()) as driver:
        while not log.exists() or log.read_text().count("\n") < 16:
            assert driver.poll() is None
            time.sleep(0.01)
        driver.kill()
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout == "done\n"
    begun = {line.split()[0] for line in log.read_text().splitlines()}
    records = read(tmp_path / "run" / "ledger.jsonl").records
    assert len(records) == 24
    assert {record.architecture.id for record in records} == begun


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_ends_cleanly_and_the_same_command_goes_on(
    tmp_path: Path, number: signal.Signals
) -> None:
    let_pass(tmp_path / "run", 8)
    with start(tmp_path, "local", 40) as driver:
        while recorded(tmp_path / "run") < 6:
            assert driver.poll() is None
            time.sleep(0.002)
        os.killpg(driver.pid, number)  # as a terminal does: to the workers as well
        assert driver.communicate(timeout=60)[0] == "begun\ninterrupted\n"
        assert driver.returncode == 0
    contents = read(tmp_path / "run" / "ledger.jsonl")
    assert contents.torn is None
    assert all(record.status == "ok" for record in contents.records)
    let_pass(tmp_path / "run", 100)
    with start(tmp_path, "local", 40) as driver:
        assert driver.communicate()[0] == "begun\ndone\n"
    check(tmp_path, 40)


def test_second_driver_on_one_directory_is_refused(tmp_path: Path) -> None:
    let_pass(tmp_path / "run", 3)
    with start(tmp_path, "serial", 60) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline() == "begun\n"
        with pytest.raises(LockError, match=f"process {driver.pid} on"):
            RunLock(tmp_path / "run", patience=0.05)
        driver.kill()
        driver.wait()
    RunLock(tmp_path / "run").close()


def test_timeout_lets_the_running_finish(tmp_path: Path) -> None:
    run = study(tmp_path / "ledger.jsonl", trials=1000)
    outcome = drive(run, SerialExecutor(Table(seconds=0.02)), timeout=0.5)
    assert outcome.reason == "timeout"
    assert outcome.measured == len(run.measurements) == run.started > 0
    assert not run.running
