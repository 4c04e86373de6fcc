"""Workers that the system kills for want of memory, and how that is known."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from plugnas.nas.executors import LocalExecutor
from plugnas.nas.executors.memory import kills_for_memory
from plugnas.nas.ledger.measurement import Task
from plugnas.nas.study.drive import drive
from tests.nas.executors.test_executors import ids, undisturbed
from tests.nas.runs import Table, found, study

LIMIT = 64 * 1024 * 1024

__all__ = ["undisturbed"]


@dataclass(frozen=True)
class Hungry(Table):
    """An evaluator factory whose victim joins a control group of 64 MiB and takes four times it."""

    victim: str = ""
    group: Path | None = None

    def __call__(self) -> Callable[[Task], dict[str, Any]]:
        return self.evaluate

    def evaluate(self, task: Task) -> dict[str, Any]:
        if task.architecture.id == self.victim and self.group is not None and self.strikes(task):
            (self.group / "cgroup.procs").write_text(str(os.getpid()))
            taken = bytearray(4 * LIMIT)
            taken[::4096] = b"x" * len(taken[::4096])
        return Table.evaluate(self, task)


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group with a limit on memory, of either version; needs root and a kernel for it."""
    for parent, limits in (
        ("/sys/fs/cgroup", ("memory.max", "memory.swap.max")),
        ("/sys/fs/cgroup/memory", ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")),
    ):
        made = Path(parent) / f"plugnas-test-{os.getpid()}"
        if not (made.parent / "cgroup.procs").exists():
            continue
        try:
            made.mkdir()
        except OSError:
            continue
        if (made / limits[0]).exists():
            for limit in limits:  # the second is about swap, of which there may be none
                with contextlib.suppress(OSError):
                    (made / limit).write_text(str(LIMIT))
            yield made
            made.rmdir()
            return
        made.rmdir()
    pytest.skip("no control group with a limit on memory can be made here (root needed)")


def test_worker_killed_by_the_system_for_memory(
    group: Path, tmp_path: Path, undisturbed: set[tuple[object, ...]]
) -> None:
    victim = ids(4)[3]
    table = Hungry(victim=victim, group=group, once=tmp_path)
    run = study(trials=24)
    drive(run, LocalExecutor(table, workers=2))
    bad = [(m.number, m.attempt, m.reason) for m in run.measurements if not m.ok]
    assert bad == [(3, 0, "out of memory: the system killed the worker (SIGKILL)")]
    assert found(run.measurements) == undisturbed


VMSTAT = "nr_free_pages 12\noom_kill 7\npgfault 3\n"
EVENTS = "low 0\nhigh 0\nmax 31\noom 4\noom_kill 2\noom_group_kill 0\n"


@pytest.mark.parametrize(
    ("files", "kills"),
    [
        ({"proc/vmstat": VMSTAT}, 7),
        ({"proc/vmstat": VMSTAT, "proc/self/cgroup": "0::/\n"}, 7),
        (
            {
                "proc/vmstat": VMSTAT,
                "proc/self/cgroup": "4:memory:/old\n0::/user/search\n",
                "sys/fs/cgroup/user/search/memory.events": EVENTS,
            },
            2,
        ),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.events": EVENTS}, 2),
        ({"proc/vmstat": "nr_free_pages 12\n"}, 0),
        ({}, 0),
    ],
)
def test_kills_are_those_of_the_own_group_or_else_the_machine(
    tmp_path: Path, files: dict[str, str], kills: int
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert kills_for_memory(tmp_path) == kills
