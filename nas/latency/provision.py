"""The latency table that a job's search rests on: brought along, kept from before, or measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nas.job import LatencyConfig
from nas.latency.measure import measure_table
from nas.latency.parts import is_buildable, parts_of_space
from nas.latency.rounds import Progress
from nas.latency.table import LatencyTable
from space import SearchSpace

MAX_PARTS = 50_000


def provide_table(
    wishes: LatencyConfig,
    space: SearchSpace,
    base: Path,
    keep: Path | None = None,
    *,
    on_wait: Callable[[], None] | None = None,
    on_progress: Progress | None = None,
) -> LatencyTable:
    """Return a table that holds every part of the space under the job's conditions.

    A ``table`` named by the job (relative to ``base``) is checked, never measured or changed. Else
    the parts are measured on this machine; ``keep`` is where the table stays with the run, so that
    a run continued measures only what is new.

    Raises:
        ForeignTableError: a table of another space, torch version, device or setting.
        BusyMachineError, LatencyError: the parts cannot be measured here or now.
    """
    conditions = {"device": wishes.device, "batch": wishes.batch, "threads": wishes.threads}
    if wishes.table is not None:
        table = LatencyTable.load(base / wishes.table)
        table.require_conditions(**conditions)
        require_space(table, space)
        return table
    before = LatencyTable.load(keep) if keep is not None and keep.exists() else None
    if before is not None and _holds(before, space):
        before.require_conditions(**conditions)
        return before
    table = measure_table(
        space, extend=before, rounds=wishes.rounds, max_parts=MAX_PARTS, on_wait=on_wait,
        on_progress=on_progress, device=wishes.device, batch=wishes.batch, threads=wishes.threads,
    )  # fmt: skip
    if keep is not None:
        table.save(keep)
    return table


def require_space(table: LatencyTable, space: SearchSpace) -> None:
    """Raise ForeignTableError unless the table holds every part that the space can build."""
    for part in parts_of_space(space, MAX_PARTS).values():
        if part not in table and is_buildable(part):
            table.require([part])


def _holds(table: LatencyTable, space: SearchSpace) -> bool:
    parts = parts_of_space(space, MAX_PARTS).values()
    return all(part in table or not is_buildable(part) for part in parts)
