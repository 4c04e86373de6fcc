"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path


def write_whole(path: Path, write: Callable[[Path], object]) -> Path:
    """Let ``write`` fill a new file, then put it in the place of ``path`` in one step.

    The new file lies in the same folder under a name that nobody can guess and that did not exist
    before, so that a link laid there by somebody else is never followed. Missing folders are made.

    Raises:
        OSError: the folder or the file cannot be written; ``path`` is then as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def write_text(path: Path, text: str) -> Path:
    """Write text, as UTF-8, whole or not at all. Raises OSError as ``write_whole`` does."""
    return write_whole(path, lambda file: file.write_text(text, encoding="utf-8"))


def open_kept(path: Path, flags: int, mode: int = 0o644) -> int:
    """Open a file that stays, such as a lock or a ledger, making it if there is none.

    It is the file itself or nothing: no link laid in its place is followed, no pipe waited for.

    Raises:
        OSError: it cannot be opened, or is no regular file.
    """
    flags |= os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, mode)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "it is a symbolic link", str(path)) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return descriptor


def own_folder(path: Path) -> Path:
    """Return a folder that belongs to this user alone (mode 700), making it if there is none.

    Raises:
        OSError: something else lies there, or somebody else made it.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise OSError(errno.EPERM, "it is not this user's own folder", str(path))
    if found.st_mode & 0o077:
        path.chmod(0o700)
    return path


def _umask() -> int:
    """Return the process's umask; it can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


__all__ = ["open_kept", "own_folder", "write_text", "write_whole"]
