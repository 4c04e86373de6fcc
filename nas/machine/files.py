"""Files that appear whole or not at all."""

from __future__ import annotations

import os
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


def _umask() -> int:
    """Return the process's umask; it can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


__all__ = ["write_text", "write_whole"]
