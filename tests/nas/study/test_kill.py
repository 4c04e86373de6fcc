"""Drivers that are killed, interrupted and started again: nothing is lost, nothing done twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from plugnas.nas.executors import SerialExecutor
from plugnas.nas.ledger.ledger import read
from plugnas.nas.ledger.lock import LockError, RunLock
from plugnas.nas.study.drive import drive
from tests.nas.executors.test_executors import environment
from tests.nas.killed_driver import check, kill_at_random, let_pass, recorded, start
from tests.nas.runs import Table, study


@pytest.mark.parametrize(("kind", "moments"), [("serial", 4), ("local", 2)])
def test_driver_killed_at_random_moments(tmp_path: Path, kind: str, moments: int) -> None:
    """Six moments; ``local`` has two workers. On a cluster: tests/nas/executors/test_ray.py."""
    kill_at_random(tmp_path, moments, 100, kind)


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


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGINT, "local"), (signal.SIGTERM, "serial")])
def test_interrupt_ends_cleanly_and_the_same_command_goes_on(
    tmp_path: Path, number: signal.Signals, kind: str
) -> None:
    let_pass(tmp_path / "run", 8)
    with start(tmp_path, 40, kind) as driver:
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
    with start(tmp_path, 40, kind) as driver:
        assert driver.communicate()[0] == "begun\ndone\n"
    check(tmp_path, 40)


def test_second_driver_on_one_directory_is_refused(tmp_path: Path) -> None:
    let_pass(tmp_path / "run", 3)
    with start(tmp_path, 60, "serial") as driver:
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
