"""What a driver had under way, so that a killed one's half-done work is run again as it was.

The ledger remains the record of what was measured. This file beside it only says which tasks were
handed out last; without it a run goes on as well, with what its sampler proposes then.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plugnas.modules.errors import PlugnasError
from plugnas.nas.executors.measure import failed
from plugnas.nas.ledger.measurement import Task

if TYPE_CHECKING:
    from plugnas.nas.samplers import Problem, Sampler
    from plugnas.space import Architecture

SUFFIX = ".running.json"
VERSION = 1


def note(path: Path, tasks: Iterable[Task]) -> None:
    """Replace the file by these tasks at once, or remove it if there are none.

    Where that fails (a full disk), an older list stays: what of it is recorded by now is not run
    again.
    """
    listed = [
        {"number": t.number, "rung": t.rung, "seed": t.seed, "architecture": t.architecture.values}
        for t in tasks
    ]
    new = path.with_name(f"{path.name}.new")
    with contextlib.suppress(OSError):
        if not listed:
            path.unlink(missing_ok=True)
            return
        new.write_text(json.dumps({"running": VERSION, "tasks": listed}, default=_plain))
        os.replace(new, path)


def noted(path: Path, problem: Problem) -> list[Task]:
    """Return the tasks listed in the file that fit space and budget; none if it is unreadable."""
    try:
        entry = json.loads(path.read_bytes())
        if entry["running"] != VERSION:
            return []
        listed = [
            (int(task["number"]), int(task["rung"]), int(task["seed"]), dict(task["architecture"]))
            for task in entry["tasks"]
        ]
    except (OSError, ValueError, TypeError, KeyError):
        return []
    tasks = []
    for number, rung, seed, values in listed:
        architecture = _fitting(values, problem)
        if architecture is not None:
            tasks.append(Task(number, architecture, rung, seed))
    return tasks


def expect(sampler: Sampler, task: Task) -> bool:
    """Let a sampler know of a task that it did not propose in this session.

    Returns False where its own ``expect`` does: it would not propose that one any more.
    """
    own = getattr(sampler, "expect", None)
    if own is not None:
        return own(task.architecture) is not False
    # to every sampler, a failure says: not this one again, and nothing else is known
    sampler.tell(failed(task, "killed: the driver ended"))
    return True


def _fitting(values: dict[str, Any], problem: Problem) -> Architecture | None:
    try:
        architecture = problem.space.adopt(values)
        if problem.space.refusal(architecture) is not None:
            return None
        costs = {} if problem.cost is None else problem.cost.cost(architecture)
    except (PlugnasError, TypeError, ValueError, KeyError):  # also values that are no choices
        return None
    within = all(costs.get(name, 0.0) <= limit for name, limit in problem.budget.items())
    return architecture if within else None


def _plain(value: Any) -> Any:
    return value.item() if getattr(value, "ndim", None) == 0 else str(value)


__all__ = ["SUFFIX", "expect", "note", "noted"]
