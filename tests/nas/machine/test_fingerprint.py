"""Two processes with the same fingerprint measure alike."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from plugnas import modules
from plugnas.nas.executors import ExecutorError, LocalExecutor
from plugnas.nas.ledger.lines import read
from plugnas.nas.machine.fingerprint import difference, fingerprint
from plugnas.nas.study.drive import drive
from tests.nas.executors.test_executors import environment
from tests.nas.runs import Table, study


def test_it_names_versions_sources_images_and_the_user_s_own_modules(tmp_path):
    (tmp_path / "my_blocks_of_two.py").write_text("WIDTH = 2\n")
    modules.load("my_blocks_of_two.py", folder=tmp_path)
    found = fingerprint("abc")
    assert {"python", "torch", "plugnas", "sources", "data"} <= found.keys()
    assert found["data"] == "abc"
    (own,) = [name for name in found if "my_blocks_of_two" in name]
    (tmp_path / "my_blocks_of_two.py").write_text("WIDTH = 3\n")
    assert fingerprint()[own] != found[own]
    assert "data" not in fingerprint()


def test_another_process_of_the_same_code_has_the_same():
    code = (
        "from plugnas.nas.machine.fingerprint import fingerprint\n"
        "found = fingerprint()\n"
        "print({n: v for n, v in found.items() if not n.startswith('file ')})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    own = {n: v for n, v in fingerprint().items() if not n.startswith("file ")}
    assert done.stdout.strip() == str(own)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, None),
        ({"torch": "3"}, "another torch (3 for 2)"),
        ({"sources": "x"}, "other sources of plugnas"),
        ({"file mine": "b"}, "another file mine (b for a)"),
        ({"file theirs": "b"}, None),
        ({"data": "z"}, None),  # ours has read none
        ({"scipy": "1"}, "another scipy (1 for none)"),
    ],
)
def test_differences_in_words(change, words):
    ours = {"torch": "2", "sources": "s", "file mine": "a"}
    assert difference(ours, {**ours, **change}) == words


def test_a_local_worker_with_other_code_ends_the_run_and_measures_nothing():
    run = study(trials=3)
    executor = LocalExecutor(Table(), workers=1)
    executor._expected = {**executor._expected, "sources": "as they were"}
    with pytest.raises(ExecutorError, match="has other sources of plugnas: something was changed"):
        drive(run, executor)
    assert not run.measurements


def test_it_stands_in_the_ledger_s_header(tmp_path: Path):
    study(tmp_path / "ledger.jsonl", trials=1)
    (header,) = read(tmp_path / "ledger.jsonl").headers
    own = fingerprint()
    assert header["fingerprint"]["sources"] == own["sources"]
    assert header["versions"].items() <= own.items()
