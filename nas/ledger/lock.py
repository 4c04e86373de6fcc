"""One driver per run directory: a lock that a dead process does not hold."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from pathlib import Path
from typing import Any

import msgspec

from plugnas.modules.errors import PlugnasError
from plugnas.nas.machine.files import open_kept
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
        self._descriptor: int | None = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = open_kept(self.path, os.O_RDWR)
        except OSError as error:
            raise LockError(
                f"A run must be able to write in its directory, but {self.path}: "
                f"{error.strerror}. Give a directory you may write to."
            ) from error
        try:
            self._acquire(descriptor, patience)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def _acquire(self, descriptor: int, patience: float) -> None:
        """Take the lock; wait ``patience`` seconds, for ``holder`` looks at it for an instant."""
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                    raise LockError(
                        f"A run locks its directory, but the file system of {self.path.parent} "
                        f"cannot: {error.strerror}. Choose a run directory on another disk."
                    ) from error
            if time.monotonic() > deadline:
                raise LockError(_refusal(self.path))
            time.sleep(0.02)
        text = json.dumps({"pid": os.getpid(), "host": os.uname().nodename, "since": time.time()})
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, text.encode(), 0)
        except OSError as error:
            raise LockError(
                f"A run must be able to write in its directory, but {self.path}: {error.strerror}."
            ) from error

    def close(self) -> None:
        """Give the directory free; a second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> RunLock:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def holder(run_dir: str | Path) -> dict[str, Any] | None:
    """Return who drives ``run_dir`` now (``pid``, ``host``, ``since``), or None if nobody does."""
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
        f"One driver works on a run directory at a time, but {path.parent} is being driven by "
        f"{name}. Wait for it, stop it (kill {who.get('pid', 'PID')}), or give another directory; "
        f"`nas status {path.parent}` shows how far it is."
    )


__all__ = ["LockError", "RunLock", "holder"]
