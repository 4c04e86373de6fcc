"""The ledger: what is written is read back; what is damaged is named; what fits is kept."""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from plugnas.nas.executors import SerialExecutor
from plugnas.nas.ledger.ledger import Ledger, LedgerError, LedgerWarning, read
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.study.drive import drive
from plugnas.space import SearchSpace
from tests.nas.runs import CHOICES, SPACE, CountCost, Table, found, study


def measurement(number: int, space: SearchSpace = SPACE, **changes: object) -> Measurement:
    architecture = space.sample(np.random.default_rng(number))
    fields = {"values": {"accuracy": 0.5}, "costs": {"params": 7.0}, "curve": ({"loss": 1.0},)}
    return Measurement(number, architecture, 0, 3, "ok", **{**fields, **changes})


def written(path: Path, count: int = 3) -> list[Measurement]:
    made = [measurement(n) for n in range(count)]
    with Ledger.open(path, SPACE) as ledger:
        for one in made:
            ledger.append(one)
    return made


def test_round_trip(tmp_path: Path) -> None:
    made = written(tmp_path / "ledger.jsonl")
    with Ledger.open(tmp_path / "ledger.jsonl", SPACE) as ledger:
        assert list(ledger.measurements) == made
        assert ledger.numbers == {0, 1, 2}
        assert not ledger.misfits


def test_header_names_space_parameters_and_versions(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    Ledger.open(path, SPACE, about={"trials": 9}).close()
    Ledger.open(path, SPACE, about={"trials": 12}).close()
    first, second = read(path).headers
    assert first["ledger"] == 1
    assert first["space"] == SPACE.fingerprint == second["space"]
    assert first["parameters"]["layer0"] == {"choices": CHOICES["layer0"], "slot": None}
    assert "parameters" not in second
    assert (first["trials"], second["trials"]) == (9, 12)
    assert "torch" in first["versions"]


def test_not_a_number_becomes_null(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    bad = measurement(0, values={"accuracy": float("nan")}, extra={"at": np.float32(1.5)})
    with Ledger.open(path, SPACE) as ledger:
        ledger.append(bad)
    record = read(path).records[0]
    assert record.values == {"accuracy": None}
    assert bytes(record.extra) == b'{"at":1.5}'


@pytest.mark.parametrize("cut", [1, 2, 10, 60])
def test_torn_last_line_is_dropped_and_the_next_is_whole(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "ledger.jsonl"
    made = written(path)
    os.truncate(path, path.stat().st_size - cut)
    if cut == 1:  # the whole record is there, only its newline is not
        ledger = Ledger.open(path, SPACE)
    else:
        with pytest.warns(LedgerWarning, match="cut off while it was written"):
            ledger = Ledger.open(path, SPACE)
        made = made[:2]
    ledger.append(measurement(9))
    ledger.close()
    with Ledger.open(path, SPACE) as again:
        assert list(again.measurements) == [*made, measurement(9)]


def test_zeros_after_a_power_cut_are_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    written(path)
    with path.open("ab") as file:
        file.write(b"\0" * 300)
    with pytest.warns(LedgerWarning, match="cut off"), Ledger.open(path, SPACE) as ledger:
        assert len(ledger.measurements) == 3


@pytest.mark.parametrize("damage", [b"{garbage", b"[1, 2]", b"{}", b'{"number": 1}', b"\xff\xfe"])
def test_damaged_middle_line_is_named(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "ledger.jsonl"
    written(path)
    lines = path.read_bytes().split(b"\n")
    lines[2] = damage
    path.write_bytes(b"\n".join(lines))
    before = path.read_bytes()
    with pytest.raises(LedgerError, match="line 3 of"):
        Ledger.open(path, SPACE)
    assert path.read_bytes() == before


def test_torn_header_starts_afresh(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(b'{"ledger": 1, "spa')
    with pytest.warns(LedgerWarning), Ledger.open(path, SPACE) as ledger:
        ledger.append(measurement(0))
    assert len(read(path).headers) == 1


def test_other_version_and_missing_header(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_text('{"ledger": 2}\n')
    with pytest.raises(LedgerError, match="version 2"):
        Ledger.open(path, SPACE)
    path.write_text(json.dumps(measurement(0).to_dict()) + "\n")
    with pytest.raises(LedgerError, match="begin with its header"):
        Ledger.open(path, SPACE)


def test_space_that_gained_and_reordered_keeps_all(tmp_path: Path) -> None:
    made = written(tmp_path / "ledger.jsonl", 20)
    wider = SearchSpace({n: [*reversed(c), "ghost"] for n, c in reversed(CHOICES.items())})
    with Ledger.open(tmp_path / "ledger.jsonl", wider) as ledger:
        assert [m.number for m in ledger.measurements] == list(range(20))
        kept = [m.architecture.values for m in ledger.measurements]
    assert kept == [m.architecture.values for m in made]
    assert len([h for h in read(ledger.path).headers if "parameters" in h]) == 2


def test_space_that_lost_a_module_says_how_many_do_not_fit(tmp_path: Path) -> None:
    made = written(tmp_path / "ledger.jsonl", 20)
    narrow = SearchSpace({n: [c for c in cs if c != "mb6"] for n, cs in CHOICES.items()})
    fitting = [m for m in made if "mb6" not in m.architecture.values.values()]
    with pytest.warns(LedgerWarning, match=f"{20 - len(fitting)} of 20 measurements do not fit"):
        ledger = Ledger.open(tmp_path / "ledger.jsonl", narrow)
    ledger.close()
    assert [m.number for m in ledger.measurements] == [m.number for m in fitting]
    assert ledger.numbers == set(range(20))
    with Ledger.open(tmp_path / "ledger.jsonl", SPACE) as whole:
        assert len(whole.measurements) == 20


def test_space_that_gained_a_parameter_fits_nothing(tmp_path: Path) -> None:
    written(tmp_path / "ledger.jsonl", 4)
    more = SearchSpace({**CHOICES, "layer4": ["id", "conv"]})
    with (
        pytest.warns(LedgerWarning, match="4 of 4"),
        Ledger.open(tmp_path / "ledger.jsonl", more) as ledger,
    ):
        assert ledger.measurements == ()


def test_same_values_another_network_does_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    run = study(path, trials=6)
    drive(run, SerialExecutor(Table()))
    with Ledger.open(path, SPACE, cost=CountCost()) as ledger:
        assert len(ledger.measurements) == 6
    with pytest.warns(LedgerWarning, match="skeleton or a module has changed"):
        Ledger.open(path, SPACE, cost=CountCost(120)).close()


def test_full_disk_keeps_what_was_recorded(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small tmpfs needs root")
    try:
        run = study(disk / "ledger.jsonl", trials=200)
        filler = disk / "filler"
        space = os.statvfs(disk)
        left = space.f_bavail * space.f_frsize
        filler.write_bytes(b"x" * (left - 12_000))  # room for some records, not for 200
        with pytest.raises(LedgerError, match=r"No space left.*recorded before is safe"):
            drive(run, SerialExecutor(Table()))
        recorded = len(run.measurements)
        assert 0 < recorded < 200
        assert read(disk / "ledger.jsonl").torn is None
        filler.unlink()
        again = study(disk / "ledger.jsonl", trials=recorded + 20)
        assert found(again.measurements) == found(run.measurements)
        drive(again, SerialExecutor(Table()))
        whole = study(trials=recorded + 20)
        drive(whole, SerialExecutor(Table()))
        assert found(again.measurements) == found(whole.measurements)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_file_size_limit_cuts_nothing_in_half(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    run = study(path, trials=50)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 2500, hard))
    try:  # Python ignores SIGXFSZ, so a write beyond the limit is cut short, then EFBIG
        with pytest.raises(LedgerError, match="File too large"):
            drive(run, SerialExecutor(Table()))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    contents = read(path)
    assert contents.torn is None
    assert len(contents.records) == len(run.measurements) > 0


def test_unwritable_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError, match="Give a directory you may write to"):
        Ledger.open(tmp_path / "file" / "ledger.jsonl", SPACE)


def test_read_only_file_system(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k,ro", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a read-only tmpfs needs root")
    try:
        with pytest.raises(LedgerError, match="Read-only file system"):
            Ledger.open(disk / "run" / "ledger.jsonl", SPACE)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_closed_ledger_refuses(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.jsonl", SPACE)
    ledger.close()
    ledger.close()
    with pytest.raises(LedgerError, match="closed"):
        ledger.append(measurement(0))


def test_a_line_of_which_the_end_comes_while_it_is_read_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.jsonl"
    made, data = written(path), path.read_bytes()
    pieces = [data[-90:-60], data[-60:]]

    class Growing(io.BytesIO):
        """The last line is written in three pieces, one after each time its end was met."""

        def readline(self, size: int | None = -1) -> bytes:
            return super().readline(size) or (pieces.pop(0) if pieces else b"")

    @contextlib.contextmanager
    def growing(_: Path) -> Iterator[Growing]:
        yield Growing(data[:-90])

    monkeypatch.setattr("plugnas.nas.ledger.lines.opened", growing)
    contents = read(path)
    assert contents.torn is None and contents.length == len(data)
    assert [record.number for record in contents.records] == [m.number for m in made]
