"""Job files, ledgers and run directories with anything in them: a result or one sentence.

Never a traceback, a hang or a gigabyte. ``make test`` tries 200 cases, always the same; thousands
come with ``make test-slow``.
"""

from __future__ import annotations

import copy
import json
import resource
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plugnas.modules import PlugnasError
from plugnas.nas.cli import main
from plugnas.nas.executors import SerialExecutor
from plugnas.nas.job.config import load
from plugnas.nas.ledger.fitting import read_fitting
from plugnas.nas.ledger.lines import seal
from plugnas.nas.study.drive import drive
from tests.nas.report.synthetic_run import make_run
from tests.nas.runs import SPACE, Table, study

GIGABYTE = 2**20  # in the kilobytes of getrusage
LONGEST = 120
"""Seconds after which a case hangs; none takes a hundredth of it."""

JOB: dict[str, Any] = {
    "data": {"source": "digits", "validation": 0.2, "size": 8},
    "space": {
        "stem": {"width": [4, 8]},
        "stages": [{"width": [4, 8], "depth": [1, 2], "stride": 2}],
        "slots": {"operator": ["conv", {"mbconv": {"expansion": [3, 6]}}], "attention": ["se"]},
        "pooling": ["gap"],
    },
    "proxy": {"rungs": [{"epochs": 1, "images": 64}, {"epochs": 2}], "promotion": 0.5},
    "objectives": {"accuracy": "max", "flops": "min"},
    "budget": {"flops": "2M"},
    "sampler": {"predictor": {}},
    "executor": {"name": "local"},
    "trials": 2,
    "seeds": 1,
    "timeout": 60,
}

numbers = st.sampled_from(
    [0, -1, 1, 2**31, 2**63, 10**30, -(10**30), 0.0, -0.5, 1e308, float("inf"), float("nan")]
)
words = st.one_of(
    st.sampled_from(["", "x", "none", "../..", "/dev/zero", "\x1b[2J", "1e400", "host + 5%", "{}"]),
    st.text(max_size=8),
)
plain = st.one_of(st.none(), st.booleans(), numbers, words)
values = st.recursive(
    plain,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=3)),
    max_leaves=6,
)


def places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths to everything in plain data."""
    inner = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in inner:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


@st.composite
def changed(draw: st.DrawFn, data: Any) -> Any:
    """Draw plain data that differs in up to three places: another value, none, or a new key."""
    data = copy.deepcopy(data)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(list(places(data)) or [()]))
        if not path:
            return draw(values)
        holder = data
        for key in path[:-1]:
            holder = holder[key]
        how = draw(st.sampled_from(["value", "value", "gone", "new"]))
        if how == "value":
            holder[path[-1]] = draw(values)
        elif how == "gone":
            del holder[path[-1]]
        elif isinstance(holder, dict):
            holder[draw(words)] = draw(values)
    return data


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Draw bytes that are those of a file but for a cut, a flip, a copy or something new."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        how = draw(st.sampled_from(["flip", "cut", "new", "twice", "gone"]))
        if how == "flip" and data:
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif how == "cut":
            del data[at:]
        elif how == "new":
            data[at:at] = draw(st.binary(max_size=12))
        elif how == "twice":
            data[at:at] = data[max(0, at - 200) : at]
        else:
            del data[at : at + draw(st.integers(1, 200))]
    return bytes(data)


def tries(count: int) -> Any:
    return settings(
        max_examples=count,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(autouse=True, scope="module")
def bounded() -> Iterator[None]:
    """End what hangs, and let no gigabyte be taken."""

    def hang(*ignored: object) -> None:
        raise TimeoutError(f"a case took over {LONGEST} s")

    before = signal.signal(signal.SIGALRM, hang)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < GIGABYTE


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module")
def ledger(folder: Path) -> bytes:
    run = study(folder / "sound.jsonl", trials=4)
    drive(run, SerialExecutor(Table()))
    return (folder / "sound.jsonl").read_bytes()


@pytest.fixture(scope="module")
def run_dir(folder: Path) -> Path:
    run = make_run(folder / "run", trials=12)
    assert main(["front", str(run.path), "--json"]) == 0
    return run.path


def read_job(folder: Path, text: bytes) -> None:
    path = folder / "job.yaml"
    path.write_bytes(text)
    signal.alarm(LONGEST)
    try:
        load(path)
    except PlugnasError as error:
        assert str(error)


def read_ledger(folder: Path, content: bytes) -> None:
    path = folder / "ledger.jsonl"
    path.write_bytes(content)
    signal.alarm(LONGEST)
    try:
        read_fitting(path, SPACE)
    except PlugnasError as error:
        assert str(error)


def read_run(run_dir: Path, name: str, content: bytes) -> None:
    copy_of = run_dir.with_name("damaged")
    shutil.rmtree(copy_of, ignore_errors=True)
    shutil.copytree(run_dir, copy_of)
    (copy_of / name).write_bytes(content)
    signal.alarm(LONGEST)
    for command in (["status", str(copy_of)], ["front", str(copy_of), "--json"]):
        assert main(command) in (0, 2)


class Fuzz:
    """The cases; how many of each, a subclass says."""

    jobs, texts, records, lines, runs = 60, 30, 50, 30, 30

    def test_jobs_with_other_values(self, folder: Path) -> None:
        @tries(self.jobs)
        @given(changed(JOB))
        def check(data: Any) -> None:
            read_job(folder, yaml.safe_dump(data, allow_unicode=True).encode())

        check()

    def test_jobs_with_other_bytes(self, folder: Path) -> None:
        @tries(self.texts)
        @given(damaged(yaml.safe_dump(JOB).encode()))
        def check(text: bytes) -> None:
            read_job(folder, text)

        check()

    def test_ledgers_with_other_values(self, folder: Path, ledger: bytes) -> None:
        sound = [json.loads(line) for line in ledger.splitlines()]

        @tries(self.records)
        @given(changed(sound))
        def check(records: Any) -> None:
            told = records if isinstance(records, list) else [records]
            rows = [r if isinstance(r, dict) else {"ledger": r} for r in told]
            lines = [_sealed(row) for row in rows]
            read_ledger(folder, b"".join(lines))

        check()

    def test_ledgers_with_other_bytes(self, folder: Path, ledger: bytes) -> None:
        @tries(self.lines)
        @given(damaged(ledger))
        def check(content: bytes) -> None:
            read_ledger(folder, content)

        check()

    def test_run_directories_with_other_bytes(self, run_dir: Path) -> None:
        files = sorted(p.name for p in run_dir.iterdir() if p.is_file())

        @tries(self.runs)
        @given(st.data())
        def check(data: st.DataObject) -> None:
            name = data.draw(st.sampled_from(files))
            content = data.draw(damaged((run_dir / name).read_bytes()))
            read_run(run_dir, name, content)

        check()


def _sealed(row: dict[str, Any]) -> bytes:
    """Return a row as a line with a checksum that is right, also where it is no JSON."""
    try:
        return seal(row)
    except (ValueError, TypeError):
        return json.dumps(row, default=str).encode() + b"\n"


class TestFuzz(Fuzz):
    """200 cases."""


@pytest.mark.slow
class TestFuzzLong(Fuzz):
    """Thousands of cases."""

    jobs, texts, records, lines, runs = 2000, 1000, 2000, 1000, 300
