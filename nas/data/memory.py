"""How much memory and disk there is, before they are needed."""

from __future__ import annotations

import mmap
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.data.errors import DataError

_CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "inactive_file "),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        "total_inactive_file ",
    ),
)


def available_bytes() -> int | None:
    """Return the bytes of memory that a process may still take, None where it cannot be told."""
    free = _meminfo()
    for limit_path, used_path, cached in _CGROUPS:
        limit, used = _number(limit_path), _number(used_path)
        if limit is not None and used is not None:
            used -= _field(Path(used_path).parent / "memory.stat", cached) or 0  # can be evicted
            left = max(limit - used, 0)
            free = left if free is None else min(free, left)
    return free


def check_memory(needed: int, what: str, remedy: str) -> None:
    """Raise DataError if ``needed`` bytes do not fit into memory."""
    free = available_bytes()
    if free is not None and needed > free:
        raise DataError(
            f"{what} take {gigabytes(needed)} of memory and {gigabytes(free)} are free; {remedy}"
        )


def check_room(needed: int, folder: Path, what: str) -> None:
    """Raise DataError if ``needed`` bytes fit neither into memory nor below ``folder``."""
    check_memory(needed, what, "set a smaller `data.size`, or a `data.limit`")
    disk = shutil.disk_usage(folder).free
    if needed > disk:
        raise DataError(
            f"{what} take {gigabytes(needed)} in the cache {folder} and {gigabytes(disk)} are "
            "free there; name another folder in PLUGNAS_CACHE, or set a smaller `data.size` or a "
            "`data.limit`"
        )


def forget(array: NDArray[np.generic]) -> None:
    """Let the pages of a mapped array go, which are read from the file again when needed.

    They would count as this process's memory, all that was ever looked at. Not for a map that keeps
    what is written to itself (mode ``c``).
    """
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    whole = base.obj if isinstance(base, memoryview) else base
    if isinstance(whole, mmap.mmap):
        let_go(whole)


def let_go(whole: mmap.mmap) -> None:
    """Let the pages of a map go, as ``forget``."""
    if hasattr(mmap, "MADV_DONTNEED"):  # not on every system
        whole.madvise(mmap.MADV_DONTNEED)


def gigabytes(count: int) -> str:
    """Return bytes in words."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**29 else f"{count / 2**20:.1f} MiB"


def _meminfo() -> int | None:
    kilobytes = _field(Path("/proc/meminfo"), "MemAvailable:")
    return None if kilobytes is None else kilobytes * 1024


def _field(path: Path, name: str) -> int | None:
    """Return the first number on the line of a /proc-like file that starts with ``name``."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(name)), None)


def _number(path: str) -> int | None:
    try:
        text = Path(path).read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() and int(text) < 2**60 else None
