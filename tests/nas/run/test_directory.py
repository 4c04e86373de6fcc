"""A run's directory: written whole, opened again, and refused where it is another job's."""

from __future__ import annotations

import msgspec
import pytest

from plugnas.nas.job.config import parse
from plugnas.nas.run.directory import Facts, RunDirectory, facts_of
from plugnas.nas.run.files import RunError

JOB = {"space": {"stages": [{"width": [4, 8]}]}, "trials": 3, "proxy": {"rungs": [{"epochs": 1}]}}


@pytest.fixture
def facts(tmp_path) -> Facts:
    from plugnas.nas.job.images import images_of

    return facts_of(images_of(parse(JOB), tmp_path), tmp_path, "cpu")


def test_what_is_written_is_opened_again(tmp_path, facts):
    run = RunDirectory.claim(tmp_path / "run", parse(JOB), facts)
    assert not (tmp_path / "run").exists()  # claiming writes nothing
    run.write()
    again = RunDirectory.read(tmp_path / "run")
    assert (again.job, again.facts) == (run.job, run.facts)
    assert again.top_rung == 0
    assert again.ledger == tmp_path / "run" / "ledger.jsonl"


def test_trials_may_change_and_what_a_measurement_means_may_not(tmp_path, facts):
    path, job = tmp_path / "run", parse(JOB)
    RunDirectory.claim(path, job, facts).write()
    longer = msgspec.structs.replace(job, trials=9)
    assert RunDirectory.claim(path, longer, facts).job.trials == 9
    other = parse({**JOB, "proxy": {"rungs": [{"epochs": 2}]}})
    with pytest.raises(RunError, match="holds another job: its `proxy"):
        RunDirectory.claim(path, other, facts)


def test_a_folder_of_something_else_is_refused(tmp_path, facts):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="is no run directory"):
        RunDirectory.claim(tmp_path, parse(JOB), facts)
    with pytest.raises(RunError, match="no search has begun there"):
        RunDirectory.read(tmp_path)
