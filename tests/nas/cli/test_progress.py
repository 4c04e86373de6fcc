"""The progress display and `nas status`: right figures, readable on a terminal and in a file."""

from __future__ import annotations

import argparse
import io
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from plugnas.nas.cli import status as command
from plugnas.nas.cli.progress import Progress, _clock
from plugnas.nas.executors import SerialExecutor
from plugnas.nas.ledger.lock import RunLock
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.run.files import RunError
from plugnas.nas.run.status import as_dict, as_text, status
from plugnas.nas.run.summary import culprits, kind, kinds, summarise, why_empty
from plugnas.nas.run.view import RunView
from plugnas.nas.study.drive import Event, drive
from plugnas.nas.study.rungs import Rungs
from tests.nas.executors.test_executors import ids
from tests.nas.runs import SPACE, Draws, Table, accuracy, problem, study


def test_kinds_of_failure_are_counted_with_an_example_each():
    reasons = ["diverged: loss nan", None, "raised: ValueError: a (/x.py:1)", "diverged: loss inf"]
    any_one = SPACE.sample(np.random.default_rng(0))
    told = [Measurement(0, any_one, 0, 0, "failed", {}, {}, reason=reason) for reason in reasons]
    assert kinds(told) == [
        ("diverged", 2, "diverged: loss nan"),
        ("unknown", 1, "unknown"),
        ("raised ValueError", 1, "raised: ValueError: a (/x.py:1)"),
    ]


def test_plain_lines_are_few_and_say_it_all() -> None:
    stream = io.StringIO()
    run = study(trials=100)
    drive(run, SerialExecutor(Table()), on_event=[Progress(Console(file=stream))])
    lines = stream.getvalue().splitlines()
    assert lines[0] == "0/100 trials  0 running"
    assert lines[-1].startswith("100/100 trials  0 running  best accuracy 0.")
    assert re.search(r"front \d+, last better at trial \d+  in 0:", lines[-1])
    assert 20 <= len(lines) <= 23
    assert all("\r" not in line for line in lines)
    assert " left" in lines[5]


def test_rungs_are_not_mixed_and_an_empty_last_rung_has_a_next_step() -> None:
    one = replace(problem(), cost=None, objectives={"accuracy": "max"})
    stream = io.StringIO()
    run = study(trials=2, rungs=Rungs(one, 3))
    drive(run, SerialExecutor(Table()), on_event=[Progress(Console(file=stream))])
    assert "none at rung 3 yet" in stream.getvalue().splitlines()[-1]
    text = why_empty(RunView.under_way(run))
    assert text.startswith("no architecture has finished the highest rung yet (rung 3)")
    assert "the first gets there after 9, and 2 were tried; search on with `--trials 9`" in text

    stream = io.StringIO()
    run = study(trials=9, rungs=Rungs(one, 3))
    drive(run, SerialExecutor(Table()), on_event=[Progress(Console(file=stream))])
    assert "front 1 of 1 at the last rung, last better at trial" in stream.getvalue()
    assert len(RunView.under_way(run).members) == 1


def test_a_minute_of_a_long_training_brings_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("plugnas.nas.cli.progress.time.monotonic", lambda: clock[0])
    stream = io.StringIO()
    progress = Progress(Console(file=stream))
    run = study(trials=100)
    for second in range(0, 181, 20):  # one training that goes on for three minutes
        clock[0] = float(second)
        progress(Event("tick" if second else "begin", run, 1, clock[0]))
    assert stream.getvalue().splitlines() == ["0/100 trials  1 running"] * 4


def test_a_bar_on_a_terminal_is_left_in_its_last_state() -> None:
    stream = io.StringIO()
    terminal = Console(file=stream, force_terminal=True, width=120, color_system=None)
    with Progress(terminal) as progress:
        drive(study(trials=10), SerialExecutor(Table()), on_event=[progress])
    lines = stream.getvalue().splitlines()
    assert "\u2501" * 20 + " 10/10 trials  0 running  best accuracy 0." in lines[-1] + lines[-2]
    assert stream.getvalue().count("10/10 trials") >= 1


def test_a_bar_is_taken_away_when_the_search_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    terminal = Console(file=stream, force_terminal=True, width=120)
    monkeypatch.setattr(sys, "stderr", before := io.StringIO())
    with pytest.raises(KeyError), Progress(terminal) as progress:
        progress(Event("begin", study(trials=10), 1, 0.0))
        raise KeyError
    assert sys.stderr is before
    assert stream.getvalue().endswith("\x1b[?25h")  # the cursor is shown again


def test_refusals_by_the_budget_and_failures_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    run = study(trials=6)
    object.__setattr__(run.problem, "budget", {"params": 400.0})
    monkeypatch.setattr(Draws, "refused", 12)
    table = Table(faults=dict.fromkeys(ids(2)[:1], "nan"))
    drive(run, SerialExecutor(table), on_event=[Progress(Console(file=stream))])
    assert "  12 refused by budget  1 failed  " in stream.getvalue().splitlines()[-1]


@pytest.mark.parametrize(
    ("seconds", "text"), [(7.4, "0:07"), (750, "12:30"), (10931, "3:02:11"), (59.6, "1:00")]
)
def test_clock(seconds: float, text: str) -> None:
    assert _clock(seconds) == text


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("killed: worker ended by SIGKILL", "killed"),
        ("raised: ValueError: no (a.py:3)", "raised ValueError"),
        ("raised: the value of x must be a number, not 'a'", "raised"),
        ("diverged: accuracy is nan", "diverged"),
        (None, "unknown"),
    ],
)
def test_kinds_of_reasons(reason: str | None, text: str) -> None:
    assert kind(reason) == text


def test_module_that_fails_every_time_is_named() -> None:
    run = study(trials=60)
    bad = {a.id: "raise" for a in all_architectures() if a["layer2"] == "mb6"}
    drive(run, SerialExecutor(Table(faults=bad)))
    tried = {m.architecture.id for m in run.measurements if m.architecture["layer2"] == "mb6"}
    summary = summarise(RunView.under_way(run))
    assert summary.culprits == (f"layer2 mb6 (failed in {len(tried)} of {len(tried)})",)
    assert summary.failed == len(tried)
    assert summary.reasons == {"raised ValueError": 3 * len(tried)}
    failed = [m for m in run.measurements if not m.ok]
    good = (m for m in run.measurements if m.ok)
    together = culprits(failed, good, {"layer2": "operator"})
    assert together == (f"operator mb6 (failed in {len(tried)} of {len(tried)})",)


def all_architectures():  # type: ignore[no-untyped-def]
    for codes in SPACE.enumerate():
        yield from SPACE.architectures(codes)


def test_nothing_is_named_while_everything_fails() -> None:
    run = study(trials=4)
    drive(run, SerialExecutor(Table(faults={a.id: "nan" for a in all_architectures()})))
    summary = summarise(RunView.under_way(run))
    assert (summary.culprits, summary.best, summary.hypervolume) == ((), None, None)


def test_status_while_driven_and_afterwards(tmp_path: Path) -> None:
    run = study(tmp_path / "ledger.jsonl", trials=30)
    table = Table(faults=dict.fromkeys(ids(2), "nan"))
    drive(run, SerialExecutor(table))
    study(tmp_path / "ledger.jsonl", trials=40)
    with RunLock(tmp_path):
        assert "searched by process" in as_text(status(tmp_path))
    state = status(tmp_path)
    data = as_dict(state)
    assert (data["trials"], data["tried"], data["failed"], data["sessions"]) == (40, 30, 2, 2)
    assert data["driver"] is None
    assert data["reasons"] == {"diverged": 2}
    best = max(accuracy(m.architecture) for m in run.measurements if m.ok)
    assert data["best"] == {"accuracy": best}
    assert 0 < data["hypervolume"] < 1
    assert data["front"][-1]["accuracy"] == best
    assert json.loads(json.dumps(data)) == data
    text = as_text(state)
    assert "30 of 40 architectures tried" in text
    assert "failed measurements: 2 diverged; given up: 2 architectures" in text
    assert "no search is running" in text


def test_status_needs_no_more_than_a_header(tmp_path: Path) -> None:
    study(tmp_path / "ledger.jsonl", trials=3)
    assert as_dict(status(tmp_path))["tried"] == 0
    assert "front so far: 0" in as_text(status(tmp_path))


def test_status_of_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no search has begun there"):
        status(tmp_path)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drive(study(tmp_path / "ledger.jsonl", trials=3), SerialExecutor(Table()))
    parser = argparse.ArgumentParser()
    command.configure(parser)
    assert command.run(parser.parse_args([str(tmp_path), "--json"])) == 0
    assert json.loads(capsys.readouterr().out)["tried"] == 3
    assert command.run(parser.parse_args([str(tmp_path)])) == 0
    assert "3 of 3 architectures tried" in capsys.readouterr().out
