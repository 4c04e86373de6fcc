"""One driver per run directory: a lock that a dead process does not hold."""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path
from typing import Any

import msgspec

from plugnas.modules.errors import PlugnasError
from plugnas.nas.machine.files import open_kept
from plugnas.nas.machine.lock import NO_LOCKS, Timeout, locked
from plugnas.nas.machine.reading import Moment, Number, read_json

NAME = "driver.lock"


class LockError(PlugnasError):
    """A run directory that another driver works on, or in which nothing can be written."""


class RunLock:
    """Exclusive use of a run directory, held from construction until ``close`` or death.

    The operating system keeps the lock (``flock``), so it ends with the process that holds it,
    however it ends; the file ``driver.lock`` stays and says who holds it.
    """

    def __init__(self, run_dir: str | Path, *, patience: float = 0.5) -> None:
        self.path = Path(run_dir) / NAME
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = locked(self.path, patience=patience)  # `holder` takes it for an instant
        except Timeout:
            raise LockError(_refusal(self.path)) from None
        except OSError as error:
            if error.errno in NO_LOCKS:
                raise LockError(
                    f"A run locks its directory, but the file system of {self.path.parent} "
                    f"cannot: {error.strerror}. Choose a run directory on another disk."
                ) from error
            raise self._unwritable(error) from error
        self._sign()

    def _sign(self) -> None:
        """Write into the file who holds it."""
        text = json.dumps({"pid": os.getpid(), "host": os.uname().nodename, "since": time.time()})
        try:
            descriptor = open_kept(self.path, os.O_RDWR)
            try:
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, text.encode(), 0)
            finally:
                os.close(descriptor)
        except OSError as error:
            self.close()
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> LockError:
        return LockError(
            f"A run must be able to write in its directory, but {self.path}: {error.strerror}. "
            "Give a directory you may write to."
        )

    def close(self) -> None:
        """Give the directory free; a second call does nothing."""
        self._lock.release()

    def __enter__(self) -> RunLock:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def holder(run_dir: str | Path) -> dict[str, Any] | None:
    """Return who drives ``run_dir`` now (``pid``, ``host``, ``since``), or None if nobody does.

    The file is only read, so that it may be another user's.
    """
    path = Path(run_dir) / NAME
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _who(path)
    finally:
        os.close(descriptor)
    return None


def _who(path: Path) -> dict[str, Any]:
    try:
        return msgspec.to_builtins(read_json(path, _Holder))
    except (OSError, ValueError):
        return {}


class _Holder(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who drives a run."""

    pid: Number | None = None
    host: str | None = None
    since: Moment | None = None


def _refusal(path: Path) -> str:
    who = _who(path)
    name = f"process {who.get('pid', '?')} on {who.get('host', '?')}"
    return (
        f"Only one process may write to a run directory at a time, but {path.parent} is in use by "
        f"{name}. Wait for it, stop it (kill {who.get('pid', 'PID')}), or give another directory; "
        f"`nas status {path.parent}` shows how far it is."
    )


__all__ = ["LockError", "RunLock", "holder"]
