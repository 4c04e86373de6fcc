"""Running a job: it begins, stops, goes on, and refuses what is another run."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from plugnas.modules import PlugnasError
from plugnas.nas.job.config import parse
from plugnas.nas.job_run import run_job
from plugnas.nas.ledger.lock import LockError, RunLock
from plugnas.nas.run.directory import RunDirectory
from plugnas.nas.run.files import RunError
from plugnas.nas.run.view import RunView, open_run
from plugnas.nas.study.drive import Event, Listener

SPACE = {"stages": [{"width": [4, 5, 6, 8]}], "slots": {"attention": ["none", "se"]}}
FILE = """
from pathlib import Path

def train(network, context):
    with Path(__file__).with_name("calls").open("a") as calls:
        calls.write(context.architecture.id + "\\n")
    return {"map50": sum(p.numel() for p in network.parameters()) % 97 / 97}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "own.py").write_text(FILE)
    return tmp_path


def search(folder: Path, *, on_event: Sequence[Listener] = (), **changes: Any) -> RunView:
    job = parse(
        {
            "space": SPACE, "evaluate": "own.py:train", "input": [3, 8, 8], "classes": 3,
            "objectives": {"map50": "max", "flops": "min"}, "trials": 4, "sampler": "random",
            "executor": "serial", "proxy": {"rungs": [{"epochs": 1}]}, **changes,
        }
    )  # fmt: skip
    return run_job(job, folder, folder / "run", on_event=on_event, where="job.yaml")


def calls(folder: Path) -> list[str]:
    file = folder / "calls"
    return file.read_text().split() if file.exists() else []


def told(view: RunView) -> list[Any]:
    return [(m.key, m.status, m.values, m.costs) for m in view.measurements]


def test_a_run_begins_stops_at_its_trials_and_is_what_the_commands_read(folder, caplog):
    caplog.set_level("INFO", logger="plugnas")
    heard: list[Event] = []
    view = search(folder, on_event=[heard.append])
    assert view.reason == "done" and len(view.measurements) == 4 and view.failures == []
    assert calls(folder) == [m.architecture.id for m in view.measurements]
    kinds = [event.kind for event in heard if event.kind != "tick"]
    assert kinds == ["begin", *["measured"] * 4, "end"]
    assert "own.py:train trains and scores" in caplog.text
    assert "space: 8 architectures; sampler random; 1 serial worker" in caplog.text
    read = open_run(folder / "run")
    assert told(read) == told(view) and read.reason is None
    assert [m.id for m in read.front] == [m.id for m in view.front] and view.front
    assert read.objectives == view.objectives == {"map50": "max", "flops": "min"}
    assert isinstance(view.run, RunDirectory) and view.run.job.trials == 4 and view.of_job
    kept = {path.name for path in (folder / "run").iterdir()}
    assert {"job.yaml", "ledger.jsonl", "costs.json"} <= kept


def test_a_run_that_was_interrupted_goes_on_where_it_stopped(folder):
    def interrupt(event: Event) -> None:
        if len(event.study.measurements) == 2:
            signal.raise_signal(signal.SIGINT)

    first = search(folder, on_event=[interrupt])
    assert first.reason == "interrupted" and len(first.measurements) == 2
    second = search(folder)
    assert second.reason == "done" and told(second)[:2] == told(first)
    assert len(calls(folder)) == len(set(calls(folder))) == 4
    again = search(folder)  # there is nothing left to do
    assert again.reason == "done" and told(again) == told(second) and len(calls(folder)) == 4
    more = search(folder, trials=5)
    assert told(more)[:4] == told(second) and len(calls(folder)) == 5


def test_a_timeout_ends_the_session_and_not_the_run(folder):
    view = search(folder, timeout=1e-9)
    assert view.reason == "timeout" and view.measurements == () and calls(folder) == []
    assert search(folder).reason == "done" and len(calls(folder)) == 4


def test_a_space_that_has_no_more_is_exhausted(folder):
    view = search(folder, trials=20)
    assert view.reason == "exhausted" and len(set(calls(folder))) == 8 == len(calls(folder))


@pytest.mark.parametrize(
    ("changes", "law"),
    [
        ({"proxy": {"rungs": [{"epochs": 2}]}}, r"`proxy.rungs\[0\].epochs` is 1, this job's is 2"),
        ({"classes": 4}, "`classes` is 3, this job's is 4"),
    ],
)
def test_another_job_does_not_go_on_with_a_run(folder, changes, law):
    search(folder, trials=1)
    before = {path.name: path.read_bytes() for path in (folder / "run").iterdir()}
    with pytest.raises(RunError, match=law):
        search(folder, **changes)
    assert {path.name: path.read_bytes() for path in (folder / "run").iterdir()} == before
    assert len(calls(folder)) == 1


@pytest.mark.parametrize(
    ("changes", "law"),
    [
        ({"budget": {"params": 10}}, "no architecture found meets the budget params <= 10"),
        (
            {"sampler": {"name": "evolution", "options": {"population": 0}}},
            "population",
        ),
        ({"device": "cuda:99"}, "^job.yaml: "),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(folder, changes, law):
    with pytest.raises(PlugnasError, match=law):
        search(folder, **changes)
    assert not (folder / "run").exists() and calls(folder) == []


def test_a_folder_of_something_else_is_left_alone(folder):
    (folder / "run").mkdir()
    (folder / "run" / "thesis.tex").write_text("x")
    with pytest.raises(RunError, match="is no run directory; choose another --run-dir"):
        search(folder)
    assert [path.name for path in (folder / "run").iterdir()] == ["thesis.tex"]


def test_one_driver_at_a_time(folder):
    search(folder, trials=1)
    with RunLock(folder / "run"), pytest.raises(LockError, match="run"):
        search(folder, trials=2)
    assert len(calls(folder)) == 1 and open_run(folder / "run").job_run.job.trials == 1
    assert len(search(folder, trials=2).measurements) == 2


def test_a_lost_ledger_is_said_and_the_search_begins_anew(folder, caplog):
    search(folder, trials=1)
    (folder / "run" / "ledger.jsonl").unlink()
    view = search(folder, trials=2)
    assert "what that run measured is not known" in caplog.text
    assert len(view.measurements) == 2 and len(calls(folder)) == 3
