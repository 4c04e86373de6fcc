"""Whether the system has killed a process for want of memory."""

from __future__ import annotations

from pathlib import Path


def kills_for_memory(root: Path = Path("/")) -> int:
    """Return how many processes the system has killed for want of memory; 0 if it won't say.

    Counted are those of this process's control group (version 2) and the groups below it; where it
    has none, those of the whole machine. Only a rise says something.
    """
    events = _events_of_own_group(root)
    if events is None:
        events = root / "proc/vmstat"
    try:
        lines = [line.split() for line in events.read_text().splitlines()]
    except OSError:
        return 0
    return sum(int(line[1]) for line in lines if line[0] == "oom_kill")


def _events_of_own_group(root: Path) -> Path | None:
    try:
        groups = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    for group in groups:
        if group.startswith("0::"):
            events = root / "sys/fs/cgroup" / group[3:].lstrip("/") / "memory.events"
            return events if events.exists() else None
    return None


__all__ = ["kills_for_memory"]
