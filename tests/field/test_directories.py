"""Field cases of what lies on a disk between two sessions, and of what a machine lacks.

The source of each stands beside it as `repository#issue`; no code or wording is taken from there.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import plugnas
from plugnas.modules import PlugnasError
from plugnas.nas.executors import ExecutorError
from plugnas.nas.executors.cluster import _require_listener
from plugnas.nas.job.config import parse
from plugnas.nas.job_run import run_job
from plugnas.nas.run.view import RunView, open_run
from tests.nas.report.synthetic_run import make_run

JOB = {
    "space": {"stages": [{"width": [4, 5, 6]}], "slots": {"attention": ["none", "se"]}},
    "evaluate": "own.py:train",
    "input": [3, 8, 8],
    "classes": 3,
    "objectives": {"score": "max", "flops": "min"},
    "proxy": {"rungs": [{"epochs": 1}]},
    "sampler": "random",
    "executor": "serial",
    "trials": 2,
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("field") / "run", trials=4).path


def _cut(run: Path) -> None:
    ledger = run / "ledger.jsonl"
    ledger.write_bytes(ledger.read_bytes()[:-20])


def _garbled(run: Path) -> None:
    lines = (run / "ledger.jsonl").read_bytes().splitlines(keepends=True)
    (run / "ledger.jsonl").write_bytes(b"".join([lines[0], b"\x00\xff{\n", *lines[2:]]))


def _emptied(name: str) -> Callable[[Path], None]:
    return lambda run: (run / name).write_bytes(b"")


def _folder(run: Path) -> None:
    (run / "ledger.jsonl").unlink()
    (run / "ledger.jsonl").mkdir()


@pytest.mark.parametrize(
    ("damage", "law"),
    [
        (_garbled, r"ledger\.jsonl"),
        (_folder, r"ledger\.jsonl"),
        (_emptied("job.yaml"), r"job\.yaml"),
        (lambda run: (run / "job.yaml").write_text("space: ["), r"job\.yaml"),
        (lambda run: (run / "job.yaml").write_bytes(b"\xff\xfe\x00"), r"job\.yaml"),
        (lambda run: shutil.rmtree(run), "run"),
    ],
    ids=["garbled", "ledger a folder", "job empty", "job half", "job bytes", "no run"],
)
def test_a_damaged_run_directory(whole, tmp_path, damage, law):
    """ray#14667, ray#36062: one sentence that names the file."""
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    damage(run)
    with pytest.raises(PlugnasError, match=law) as found:
        open_run(run).measurements  # noqa: B018 - what is read only when asked for, is asked for
    assert "Traceback" not in str(found.value)


def test_a_run_without_its_job(whole, tmp_path):
    """ray#36062: the ledger alone tells what was measured."""
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    (run / "job.yaml").unlink()
    assert len(open_run(run).measurements) == 4


def test_a_ledger_whose_last_line_is_cut(whole, tmp_path):
    """ray#14667: what was whole is kept."""
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    before = open_run(run).measurements
    _cut(run)
    assert open_run(run).measurements == before[:-1]


def search(folder: Path, **changes: object) -> RunView:
    (folder / "own.py").write_text("def train(network, context):\n    return {'score': 0.5}\n")
    return run_job(parse({**JOB, **changes}), folder, folder / "run", where="job.yaml")


def test_a_ledger_that_is_gone(tmp_path, caplog):
    """ray#14667: a search that begins anew says so."""
    search(tmp_path)
    (tmp_path / "run" / "ledger.jsonl").unlink()
    assert len(search(tmp_path).measurements) == 2
    assert "what that run measured is not known" in caplog.text


def test_a_job_that_was_edited_between_two_sessions(tmp_path):
    """ray#14032: more trials go on; what changes the meaning of a measurement is refused by key."""
    before = search(tmp_path).measurements
    assert search(tmp_path, trials=3).measurements[:2] == before
    with pytest.raises(PlugnasError, match="holds another job: its `proxy"):
        search(tmp_path, proxy={"rungs": [{"epochs": 2}]})
    assert len(open_run(tmp_path / "run").measurements) == 3


def test_an_address_that_nobody_serves():
    """ray#6707, ray#44063: one sentence, and no minutes of waiting."""
    with socket.socket() as free:  # bound, and nobody listens
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(ExecutorError, match=f"but {address} is none"):
            _require_listener(address)


SMALL = "mount -t tmpfs -o size=64k tmpfs /dev/shm"


def _may_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    done = subprocess.run(["unshare", "-rm", "sh", "-c", SMALL], capture_output=True, check=False)
    return done.returncode == 0


@pytest.mark.skipif(not _may_mount(), reason="no private /dev/shm can be mounted here")
def test_a_dev_shm_of_64_kib(tmp_path):
    """pytorch#5040, pipedream#28: images and results do not travel through shared memory."""
    (tmp_path / "job.yaml").write_text(
        "{data: {source: digits, limit: 100}, trials: 2, sampler: random, executor: local, "
        "workers: 1, space: {stages: [{width: [4, 5]}]}, "
        "proxy: {rungs: [{epochs: 1, batch_size: 50}]}}"
    )
    command = f"{SMALL} && exec {sys.executable} -m plugnas search job.yaml --run-dir run"
    root = str(Path(plugnas.__file__).parents[1])
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", command], cwd=tmp_path, capture_output=True, text=True,
        check=False, env={**os.environ, "PYTHONPATH": root},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert [m.ok for m in open_run(tmp_path / "run").measurements] == [True, True]
