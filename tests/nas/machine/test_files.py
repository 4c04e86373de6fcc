"""Files are written where they are meant to be, whatever somebody else has laid there."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from plugnas.nas.data.cache import _locked, cache_folder
from plugnas.nas.data.errors import DataError
from plugnas.nas.ledger.ledger import Ledger, LedgerError
from plugnas.nas.ledger.lock import LockError, RunLock
from plugnas.nas.machine.files import open_kept, own_folder, write_text
from plugnas.nas.machine.quiet import QuietError, training
from tests.nas.runs import SPACE


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "victim"
    file.write_text("precious")
    yield file
    assert file.read_text() == "precious"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


def test_a_file_put_in_place_replaces_a_link(tmp_path: Path, victim: Path) -> None:
    (tmp_path / "front.csv").symlink_to(victim)
    for name in ("front.csv.tmp", "front.csv.part", ".front.csv.part"):
        (tmp_path / name).symlink_to(victim)
    write_text(tmp_path / "front.csv", "new")
    assert (tmp_path / "front.csv").read_text() == "new"
    assert not (tmp_path / "front.csv").is_symlink()


def test_locks_and_ledgers_follow_no_link(tmp_path: Path, victim: Path) -> None:
    """Defect: `ln -s VICTIM RUN/driver.lock` let a search overwrite the victim."""
    (tmp_path / "driver.lock").symlink_to(victim)
    with pytest.raises(LockError, match=r"driver.lock: it is a symbolic link"):
        RunLock(tmp_path)
    (tmp_path / "ledger.jsonl").symlink_to(tmp_path / "nowhere")
    with pytest.raises(LedgerError, match=r"ledger.jsonl: it is a symbolic link"):
        Ledger.open(tmp_path / "ledger.jsonl", SPACE)
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / "digits.lock").symlink_to(victim)
    with pytest.raises(DataError, match="it is a symbolic link"), _locked(tmp_path / "digits.lock"):
        pass


def test_a_pipe_in_the_place_of_a_lock_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "driver.lock")
    with pytest.raises(LockError, match="no regular file"):
        RunLock(tmp_path)
    with pytest.raises(OSError, match="no regular file"):
        open_kept(tmp_path / "driver.lock", os.O_RDWR)


def test_the_machine_s_locks_follow_no_link(
    tmp_path: Path, victim: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLUGNAS_LOCK_DIR", str(tmp_path))
    (tmp_path / "plugnas-gate.lock").symlink_to(victim)
    with pytest.raises(QuietError, match="it cannot be opened"), training():
        pass
    (tmp_path / "plugnas-gate.lock").unlink()
    (tmp_path / "plugnas-gate.lock").symlink_to(tmp_path / "nowhere")
    with pytest.raises(QuietError, match="it cannot be opened"), training():
        pass
    assert not (tmp_path / "nowhere").exists()


def test_the_fallback_for_images_is_this_user_s_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Defect: somebody else could make the folder first, and put images of theirs into it."""
    (tmp_path / "file").touch()
    monkeypatch.delenv("PLUGNAS_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = cache_folder()
    assert folder.parent == tmp_path
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o777)
    assert stat.S_IMODE(cache_folder().stat().st_mode) == 0o700
    folder.rmdir()
    (tmp_path / "elsewhere").mkdir()
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="PLUGNAS_CACHE"):
        cache_folder()
    folder.unlink()
    folder.mkdir()
    monkeypatch.setattr(os, "getuid", lambda: 4321)
    folder.rename(tmp_path / "plugnas-4321")
    with pytest.raises(OSError, match="not this user's own"):
        own_folder(tmp_path / "plugnas-4321")
    with pytest.raises(DataError, match="PLUGNAS_CACHE"):
        cache_folder()
