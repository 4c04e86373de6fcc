"""Latency is never taken while this machine trains: one lock, two sides.

Whoever trains holds ``training()`` around each evaluation; whoever measures latency holds
``quiet()``. Any number train at once, one measures, never both, whichever runs they belong to.
The locks are ``flock`` locks on two files in /tmp, so they end with the process that holds them.
Containers that do not share /tmp do not see each other: set ``PLUGNAS_LOCK_DIR`` to a folder both
see.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from plugnas.modules import PlugnasError


class QuietError(PlugnasError):
    """Training and measuring latency cannot be kept apart here."""


class BusyMachineError(QuietError):
    """The machine is too busy for a latency that could be trusted."""


_trainings = 0  # held by this process


@contextmanager
def training() -> Iterator[None]:
    """Hold this around anything that keeps the machine busy, such as one evaluation.

    Waits while latency is being measured, or is about to be. Not to be nested in ``quiet()``.
    """
    global _trainings
    with _opened("gate") as gate, _opened("use") as use:
        # A measurement closes the gate first, so that a stream of trainings cannot keep it waiting.
        fcntl.flock(gate, fcntl.LOCK_SH)
        fcntl.flock(use, fcntl.LOCK_SH)
        fcntl.flock(gate, fcntl.LOCK_UN)
        _trainings += 1
        try:
            yield
        finally:
            _trainings -= 1


@contextmanager
def quiet(timeout: float = 600.0, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold this while measuring latency: no training begins, and none is under way.

    ``timeout`` is in seconds; ``on_wait`` is called once if there is something to wait for.

    Raises:
        BusyMachineError: trainings under way did not end within the timeout.
        QuietError: this process itself holds ``training()``.
    """
    if _trainings:
        raise QuietError(
            "latency is never taken while the machine trains, but this process is evaluating; "
            "measure before the search or after it"
        )
    deadline = time.monotonic() + timeout
    with _opened("gate") as gate, _opened("use") as use:
        for lock in (gate, use):
            while not _try_exclusive(lock):
                if on_wait is not None:
                    on_wait()
                    on_wait = None
                if time.monotonic() > deadline:
                    raise BusyMachineError(
                        "latency is never taken while the machine trains or measures, but after "
                        f"{timeout:g} s it still does; wait for the other run to end"
                    )
                time.sleep(0.05)
        yield


def _try_exclusive(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise
        return False
    return True


@contextmanager
def _opened(name: str) -> Iterator[int]:
    """A descriptor of a lock file that every user of the machine may open."""
    path = Path(os.environ.get("PLUGNAS_LOCK_DIR", "/tmp")) / f"plugnas-{name}.lock"
    try:
        descriptor = _open(path)
    except OSError as error:
        raise QuietError(
            f"training and latency keep apart by the lock file {path}, but it cannot be opened: "
            f"{error.strerror}; set PLUGNAS_LOCK_DIR to a folder you may write to"
        ) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)  # which also releases the lock


def _open(path: Path) -> int:
    # no link that lies there is followed, no pipe waited for
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:  # another user's file in /tmp may be opened, but not with O_CREAT
        return os.open(path, flags)
    except FileNotFoundError:
        with contextlib.suppress(FileExistsError):
            os.fchmod(made := os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666), 0o666)
            return made
        return os.open(path, flags)  # somebody else has made it meanwhile
