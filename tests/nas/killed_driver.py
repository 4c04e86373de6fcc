"""A driver in a process of its own, to be killed, and what must be so once another went on."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from plugnas.nas.executors import SerialExecutor
from plugnas.nas.study.drive import drive
from tests.nas.executors.test_executors import environment
from tests.nas.runs import Table, found, lines_in, open_gate, study

DRIVER = """
import sys, warnings
from pathlib import Path
from plugnas.nas.study.drive import drive
from plugnas.nas.executors import create
from plugnas.nas.ledger.ledger import LedgerWarning
from plugnas.nas.ledger.lock import RunLock
from tests.nas.runs import Table, study

def main(run_dir, trials, kind, **options):
    warnings.simplefilter("ignore", LedgerWarning)
    with RunLock(run_dir):
        run = study(run_dir / "ledger.jsonl", trials=trials)
        table = Table(seconds=0.01, log=run_dir / "log", gate=run_dir / "gate")
        executor = create(kind, table, **options)
        print("begun", flush=True)
        outcome = drive(run, executor)
        print(outcome.reason, flush=True)

if __name__ == "__main__":
    options = {} if sys.argv[3] == "serial" else {"workers": 2}
    options |= {"address": sys.argv[4]} if sys.argv[3] == "ray" else {}
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], **options)
"""


def start(tmp_path: Path, trials: int, kind: str, address: str = "") -> subprocess.Popen[str]:
    """Start a driver of ``trials`` evaluations in ``tmp_path / "run"``."""
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    command = [sys.executable, str(script), str(tmp_path / "run"), str(trials), kind, address]
    return subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def recorded(run_dir: Path) -> int:
    return lines_in(run_dir / "ledger.jsonl")


def let_pass(run_dir: Path, more: int) -> None:
    """Let a driver begin so many more evaluations, so that it cannot be through too soon."""
    run_dir.mkdir(exist_ok=True)
    open_gate(run_dir / "gate", lines_in(run_dir / "log") + more)


def kill_at_random(tmp_path: Path, moments: int, trials: int, kind: str, address: str = "") -> None:
    """Kill so many drivers one after the other, let one come to its end, and check what it left.

    The moments lie in start-up, between measurements, in the middle of a write.
    """
    chance = random.Random(7)
    run_dir = tmp_path / "run"
    for _ in range(moments):
        before, more = recorded(run_dir), chance.randint(0, 4)
        let_pass(run_dir, more + 2)
        with start(tmp_path, trials, kind, address) as driver:
            while recorded(run_dir) < before + more:
                assert driver.poll() is None
                time.sleep(0.001)
            time.sleep(chance.random() * 0.02)
            assert driver.poll() is None
            driver.kill()
    let_pass(run_dir, trials * 2)
    with start(tmp_path, trials, kind, address) as driver:
        assert driver.communicate()[0].endswith("done\n")
    check(tmp_path, trials)
    begun = Counter(line.split()[0] for line in (run_dir / "log").read_text().splitlines())
    half_done = sum(begun.values()) - trials
    assert half_done <= moments * (1 if kind == "serial" else 2)


def check(tmp_path: Path, trials: int) -> None:
    """The ledger says what an undisturbed run says, and no finished evaluation was repeated."""
    whole = study(trials=trials)
    drive(whole, SerialExecutor(Table()))
    again = study(tmp_path / "run" / "ledger.jsonl", trials=trials)
    assert found(again.measurements) == found(whole.measurements)
    assert again.ask() is None
    keys = Counter((m.key, m.attempt) for m in again.measurements)
    assert max(keys.values()) == 1


__all__ = ["check", "kill_at_random", "let_pass", "recorded", "start"]
