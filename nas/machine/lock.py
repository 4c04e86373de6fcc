"""A lock on a file, held by one process at a time."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from filelock import FileLock, Timeout

from plugnas.nas.machine.files import open_kept

FOR_EVER = -1.0

NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)
"""Errors of a file system that has no locks."""


def locked(path: Path, *, patience: float = FOR_EVER) -> FileLock:
    """Return a lock on ``path``, held until its ``release`` or the end of this process.

    The operating system keeps it (``flock``), so it ends with the process that holds it, however
    that ends. The file stays, for others may wait for it.

    Raises:
        Timeout: another process held it for all of ``patience`` seconds.
        OSError: the file cannot be made or is no regular file, or its file system has no locks.
    """
    os.close(open_kept(path, os.O_RDWR))
    lock = FileLock(
        path, timeout=patience, thread_local=False, poll_interval=0.02,
        fallback_to_soft=False, preserve_lock_file=True,
    )  # fmt: skip
    lock.acquire()
    return lock


__all__ = ["FOR_EVER", "NO_LOCKS", "Timeout", "locked"]
