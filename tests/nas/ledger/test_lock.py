"""One driver per run directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from plugnas.nas.ledger.lock import LockError, RunLock, holder

HOLD = """
import sys, time
from plugnas.nas.ledger.lock import RunLock
lock = RunLock(sys.argv[1])
print("held", flush=True)
time.sleep(600)
"""


def test_second_driver_is_refused_and_told_by_whom(tmp_path: Path) -> None:
    with RunLock(tmp_path), pytest.raises(LockError, match=rf"process {os.getpid()} on "):
        RunLock(tmp_path, patience=0.05)
    RunLock(tmp_path).close()


def test_dead_process_holds_nothing(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert holder(tmp_path)["pid"] == process.pid
        with pytest.raises(LockError, match=f"process {process.pid} on {os.uname().nodename}"):
            RunLock(tmp_path, patience=0.05)
        process.kill()
        process.wait()
    assert holder(tmp_path) is None
    RunLock(tmp_path).close()


def test_nobody_holds_a_directory_that_is_not_there(tmp_path: Path) -> None:
    assert holder(tmp_path / "nowhere") is None


def test_unwritable_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LockError, match="Give a directory you may write to"):
        RunLock(tmp_path / "file" / "run")
