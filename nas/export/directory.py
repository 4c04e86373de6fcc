"""A directory that appears whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from plugnas.nas.export import hashes
from plugnas.nas.export.errors import ExportError
from plugnas.nas.machine.writable import unwritable


@contextlib.contextmanager
def whole(target: Path) -> Iterator[Path]:
    """Yield a temporary sibling of ``target``, which takes its place if nothing was raised.

    An earlier export there is replaced; anything else there is left alone.

    Raises:
        ExportError: something else lies there, or the place cannot be written.
    """
    check_free(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise ExportError(
            f"{target} cannot be written ({error.strerror}); choose another --to"
        ) from None
    try:
        yield work
        _open_to_readers(work)
        _take_place(work, target)
    except OSError as error:
        raise ExportError(
            f"{target} could not be written ({error.strerror}); nothing is left there"
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def check_free(target: Path) -> None:
    """Raise ExportError where something lies that is no export, or where nothing can be written."""
    if (reason := unwritable(target)) is not None:
        raise ExportError(f"{target} cannot be written: {reason}; choose another --to")
    occupied = target.exists() and (not target.is_dir() or any(target.iterdir()))
    if occupied and not (target / hashes.NAME).exists():
        raise ExportError(f"{target} exists and is no export; choose another --to")


def _take_place(work: Path, target: Path) -> None:
    if not target.exists():
        os.replace(work, target)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}-old-", dir=target.parent))
    os.replace(target, old / "export")
    try:
        os.replace(work, target)
    except OSError:
        os.replace(old / "export", target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _open_to_readers(work: Path) -> None:
    """Temporary directories, and what safetensors writes, can otherwise be read by us alone."""
    work.chmod(0o755)
    for path in work.iterdir():
        path.chmod(0o644)
