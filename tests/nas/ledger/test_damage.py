"""Damaged, foreign and hostile ledgers: a sentence that names the line, never more."""

from __future__ import annotations

import json
import os
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plugnas.nas.ledger.fitting import read_fitting
from plugnas.nas.ledger.ledger import Ledger, LedgerError, read
from plugnas.nas.ledger.lines import seal
from plugnas.nas.ledger.measurement import Measurement
from tests.nas.runs import SPACE, study


def written(path: Path, count: int = 3) -> list[bytes]:
    """Write a ledger of so many measurements and return its lines."""
    with Ledger.open(path, SPACE, about={"trials": 9, "confirm": {"seeds": [1]}}) as ledger:
        for n in range(count):
            architecture = SPACE.sample(np.random.default_rng(n))
            ledger.append(Measurement(n, architecture, 0, 3, "ok", {"accuracy": n / 7}))
    return path.read_bytes().splitlines()


def put(path: Path, lines: list[bytes]) -> None:
    path.write_bytes(b"\n".join(lines) + b"\n")


DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("number", 10**30), ("number", -1), ("number", 2**31), ("number", True), ("number", 1.5),
        ("rung", 2**40), ("seed", -1), ("seed", 2**70), ("attempt", "<img onerror=alert(1)>"),
        ("attempt", None), ("status", "well"), ("architecture", None), ("architecture", {}),
        ("values", None), ("values", {"a": "x"}), ("values", [1]), ("costs", None),
        ("costs", {"params": {}}), ("seconds", "x"), ("seconds", -1.0), ("time", "x"),
        ("time", -5), ("time", 1e300), ("reason", 3), ("worker", []), ("signal", "high"),
    ],
)  # fmt: skip
def test_a_record_out_of_its_type_or_range_is_named(tmp_path: Path, name: str, value: Any) -> None:
    """Defect: a number of 10**30 filled the memory, a text as time gave a traceback."""
    lines = written(tmp_path / "ledger.jsonl")
    lines[2] = seal({**json.loads(lines[2]), name: value}).strip()
    put(tmp_path / "ledger.jsonl", lines)
    with pytest.raises(LedgerError, match=r"line 3 of .*ledger.jsonl is damaged"):
        read(tmp_path / "ledger.jsonl")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("architecture", {"values": {"layer0": [3]}}), ("architecture", {"values": 3}),
        ("curve", {}), ("curve", [3]), ("extra", []), ("extra", {"tries": "many"}),
        ("extra", {"tries": 10**30}),
    ],
)  # fmt: skip
def test_what_is_decoded_later_is_left_out_and_named(tmp_path: Path, name: str, value: Any) -> None:
    """What somebody sealed is looked into when it is needed; without a checksum, at once."""
    path = tmp_path / "ledger.jsonl"
    lines = written(path)
    record = {**json.loads(lines[2]), name: value}
    put(path, [*lines[:2], seal(record).strip(), *lines[3:]])
    fitted = read_fitting(path, SPACE)
    assert [misfit.line for misfit in fitted.misfits] == [3]
    assert "cannot be read" in fitted.misfits[0].reason
    assert len(fitted.measurements) == 2
    bare = [json.dumps({k: v for k, v in json.loads(line).items() if k != "crc"}).encode()
            for line in (*lines[:2], seal(record), *lines[3:])]  # fmt: skip
    put(path, bare)
    with pytest.raises(LedgerError, match="line 3 of"):
        read(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("time", "x"), ("trials", 10**30), ("rungs", 0), ("rungs", "x"), ("rungs", 2**40),
        ("parameters", []), ("parameters", {"a": 3}), ("parameters", {"a": {"choices": None}}),
        ("left_out", {"x": "y"}), ("left_out", []), ("objectives", {"accuracy": "most"}),
        ("objectives", None), ("budget", {"flops": "x"}), ("confirm", None),
        ("confirm", {"control": 3}), ("again", {"control": [3]}), ("space", 3),
        ("confirm", {"recipe": {"epochs": "x"}}), ("versions", 3), ("host", {}), ("seed", -1),
    ],
)  # fmt: skip
def test_a_header_out_of_its_type_or_range_is_named(tmp_path: Path, name: str, value: Any) -> None:
    lines = written(tmp_path / "ledger.jsonl")
    lines[0] = seal({**json.loads(lines[0]), name: value}).strip()
    put(tmp_path / "ledger.jsonl", lines)
    with pytest.raises(LedgerError, match=r"line 1 of .*ledger.jsonl is damaged"):
        read(tmp_path / "ledger.jsonl")


@pytest.mark.parametrize("text", [DEEP, '{"extra":' * 50_000, f'{{"ledger": 1, "x": {DEEP}}}'])
def test_deep_nesting_is_a_damaged_line(tmp_path: Path, text: str) -> None:
    lines = written(tmp_path / "ledger.jsonl")
    lines[2] = text.encode()
    put(tmp_path / "ledger.jsonl", lines)
    with pytest.raises(LedgerError, match="line 3 of"):
        read(tmp_path / "ledger.jsonl")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda p: p.symlink_to("/dev/zero")])
def test_a_pipe_a_folder_and_a_device_are_no_ledgers(tmp_path: Path, make: Any) -> None:
    """Defect: a pipe in the place of a ledger was waited for without end."""
    path = tmp_path / "ledger.jsonl"
    make(path)
    with pytest.raises(LedgerError, match=r"must be readable, but .*ledger.jsonl: it is"):
        read(path)


def test_a_ledger_whose_numbers_leave_a_gap_of_billions_is_gone_on_with(tmp_path: Path) -> None:
    """Defect: the missing numbers were listed one by one in memory."""
    path = tmp_path / "ledger.jsonl"
    lines = written(path)
    lines[2] = seal({**json.loads(lines[2]), "number": 2**31 - 1}).strip()
    put(path, lines)
    run = study(path, trials=9, seeds=(3,))
    asked = [task.number for task in islice(iter(run.ask, None), 3)]
    assert asked == [1, 3, 4]


def test_every_flipped_bit_is_found_or_changes_nothing(tmp_path: Path) -> None:
    """Defect: of 1,500 flipped bits one in 25 changed a measurement in silence."""
    path = tmp_path / "ledger.jsonl"
    whole = b"\n".join(written(path, 4)) + b"\n"
    sound = read(path)
    rng = np.random.default_rng(0)
    found = 0
    for place in rng.integers(len(whole), size=600):
        data = bytearray(whole)
        data[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(data)
        try:
            contents = read(path)
        except LedgerError as error:
            assert "line" in str(error)
            found += 1
            continue
        kept = len(contents.records)  # a newline that is none any more cuts the last line
        assert contents.records == sound.records[:kept]
        assert kept == 4 or contents.torn is not None
        assert contents.headers == sound.headers[: len(contents.headers)]
    assert found > 500


def test_a_changed_figure_is_told_from_a_cut_line(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    lines = written(path)
    lines[3] = lines[3].replace(b'"seed":3', b'"seed":4')
    put(path, lines)
    with pytest.raises(LedgerError, match="line 4 .*its checksum is that of another text"):
        read(path)
    lines[3] = lines[3].split(b',"crc"')[0] + b"}"
    put(path, lines)
    with pytest.raises(LedgerError, match="line 4 .*it has no checksum"):
        read(path)


def test_a_ledger_of_an_earlier_version_is_read_and_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    lines = [line.split(b',"crc"')[0] + b"}" for line in written(path)]
    put(path, lines)
    assert len(read(path).records) == 3
    with Ledger.open(path, SPACE) as ledger:
        ledger.append(Measurement(7, SPACE.sample(np.random.default_rng(7)), 0, 3, "failed"))
    assert [record.number for record in read(path).records] == [0, 1, 2, 7]


def test_what_could_not_be_read_again_is_not_recorded(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    with Ledger.open(path, SPACE) as ledger:
        one = SPACE.sample(np.random.default_rng(0))
        with pytest.raises(LedgerError, match=r"task 0 cannot: .*\$.costs"):
            ledger.append(Measurement(0, one, 0, 3, "ok", {}, {"params": "seven"}))
        ledger.append(Measurement(1, one, 0, 3, "ok", {}, {}, cpu_seconds=float("nan")))
    assert [record.number for record in read(path).records] == [1]
