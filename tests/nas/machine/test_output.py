"""A reader of the output that goes away ends nothing."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from plugnas.nas.cli import main
from plugnas.nas.ledger.lines import read
from plugnas.nas.machine.output import LastingStream, lasting_output


@pytest.fixture
def lost() -> Iterator[io.TextIOWrapper]:
    """A text stream whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    stream = io.TextIOWrapper(io.FileIO(writer, "w"), line_buffering=True, write_through=True)
    yield stream
    stream.close()


def test_what_nobody_reads_is_dropped(lost: io.TextIOWrapper) -> None:
    with pytest.raises(BrokenPipeError):
        os.write(lost.fileno(), b"x")
    stream = LastingStream(lost)
    assert stream.write("one\n") == 4
    stream.writelines(["two\n", "three\n"])
    stream.flush()
    assert not stream.isatty()


def test_output_is_put_back(lost: io.TextIOWrapper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", lost)
    with lasting_output():
        sys.stdout.write("into nothing\n")
    assert sys.stdout is lost


def test_a_search_whose_output_is_lost_goes_to_its_end(
    lost: io.TextIOWrapper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Defect: `nas search job 2>&1 | head -4` left 2 of 12 records and said 0."""
    job = {
        "data": "digits",
        "space": {"stages": [{"width": [4, 6]}], "slots": {"attention": ["none", "se"]}},
        "proxy": {"rungs": [{"epochs": 1, "images": 64}]},
        "sampler": "random",
        "executor": "serial",
        "trials": 3,
    }
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
    monkeypatch.setattr(sys, "stdout", lost)
    monkeypatch.setattr(sys, "stderr", lost)
    run = tmp_path / "run"
    assert main(["search", str(tmp_path / "job.yaml"), "--run-dir", str(run)]) == 0
    assert len(read(run / "ledger.jsonl").records) == 3


def test_signs_that_command_a_terminal_are_written_out() -> None:
    stream = io.StringIO()
    told = LastingStream(stream, plain=True)
    told.write("a\x1b]0;title\x07b\x9bc\u202ed é 日本\r\n\tend")
    assert stream.getvalue() == "a\\x1b]0;title\\x07b\\x9bc\\u202ed é 日本\r\n\tend"


def test_escape_sequences_in_the_name_of_a_job_stay_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["search", str(tmp_path / "\x1b[2J.yaml")]) == 2
    told = capsys.readouterr().err
    assert "\x1b" not in told
    assert "\\x1b[2J.yaml: no such file" in told
