"""The latency table that a job's search rests on: brought along, kept from before, or measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from plugnas.nas.latency.config import LatencyConfig
from plugnas.nas.latency.measure import MAX_PIECES, measure_table
from plugnas.nas.latency.pieces import is_buildable, pieces_of_space
from plugnas.nas.latency.rounds import Progress
from plugnas.nas.latency.settings import Settings
from plugnas.nas.latency.table import LatencyTable
from plugnas.space import SearchSpace
from plugnas.space.piece import Piece


def provide_table(
    wishes: LatencyConfig,
    space: SearchSpace,
    base: Path,
    keep: Path | None = None,
    *,
    on_wait: Callable[[], None] | None = None,
    on_progress: Progress | None = None,
) -> LatencyTable:
    """Return a table that holds every piece of the space under the job's conditions.

    A ``table`` named by the job (relative to ``base``) is checked, never measured or changed. Else
    the pieces are measured on this machine; ``keep`` is where the table stays with the run, so that
    a run continued measures only what is new.

    Args:
        wishes: what the job says of latency.
        space: the space.
        base: where the job's paths start.
        keep: where the table stays with the run.
        on_wait: is called before waiting for trainings to end.
        on_progress: hears of each round.

    Raises:
        ForeignTableError: a table of another space, torch version, device or setting.
        BusyMachineError, LatencyError: the pieces cannot be measured here or now.
    """
    conditions = wishes.conditions
    if wishes.table is not None:
        table = LatencyTable.load(base / wishes.table)
        table.require_conditions(**conditions)
        require_space(table, space)
        return table
    before = LatencyTable.load(keep) if keep is not None and keep.exists() else None
    if before is not None and not lacks(before, space):
        before.require_conditions(**conditions)
        return before
    settings = Settings(
        **conditions, rounds=wishes.rounds, limit=wishes.limit, on_wait=on_wait,
        on_progress=on_progress,
    )  # fmt: skip
    table = measure_table(space, settings, extend=before)
    if keep is not None:
        table.save(keep)
    return table


def require_space(table: LatencyTable, space: SearchSpace) -> None:
    """Raise ForeignTableError unless the table holds every piece that the space can build."""
    if missing := lacks(table, space):
        raise table.missing(missing)


def lacks(table: LatencyTable, space: SearchSpace) -> list[Piece]:
    """Return the pieces that the space can build and the table does not hold."""
    pieces = pieces_of_space(space, MAX_PIECES).values()
    return [piece for piece in pieces if piece not in table and is_buildable(piece)]
