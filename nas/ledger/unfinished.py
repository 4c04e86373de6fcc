"""What a driver had under way, so that a killed one's half-done work is run again as it was.

The ledger remains the record of what was measured. This file beside it only says which tasks were
handed out last; without it a run goes on as well, with what its sampler proposes then.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from plugnas.nas.ledger.measurement import Task
from plugnas.nas.machine.files import write_text
from plugnas.nas.machine.reading import Number, Seed, read_json
from plugnas.space import Architecture

SUFFIX = ".running.json"
VERSION = 1


class _Begun(msgspec.Struct, frozen=True):
    """A task as noted."""

    number: Number
    rung: Number
    seed: Seed
    architecture: dict[str, str | int | float | bool | None]


class _Noted(msgspec.Struct, frozen=True):
    """The file."""

    running: Number
    tasks: list[_Begun]


def note(path: Path, tasks: Iterable[Task]) -> None:
    """Replace the file by these tasks at once, or remove it if there are none.

    Where that fails (a full disk), an older list stays: what of it is recorded by now is not run
    again.
    """
    listed = [
        {"number": t.number, "rung": t.rung, "seed": t.seed, "architecture": t.architecture.values}
        for t in tasks
    ]
    with contextlib.suppress(OSError):
        if not listed:
            path.unlink(missing_ok=True)
            return
        write_text(path, json.dumps({"running": VERSION, "tasks": listed}, default=_plain))


def noted(path: Path, fitting: Callable[[dict[str, Any]], Architecture | None]) -> list[Task]:
    """Return the listed tasks whose values ``fitting`` takes, none where it is unreadable."""
    try:
        entry = read_json(path, _Noted)
    except (OSError, ValueError):
        return []
    tasks = []
    for told in entry.tasks if entry.running == VERSION else ():
        architecture = fitting(told.architecture)
        if architecture is not None:
            tasks.append(Task(told.number, architecture, told.rung, told.seed))
    return tasks


def _plain(value: Any) -> Any:
    return value.item() if getattr(value, "ndim", None) == 0 else str(value)


__all__ = ["SUFFIX", "note", "noted"]
