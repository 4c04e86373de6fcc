"""A run in figures: how far it is, what works, what fails and why, the front so far."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from plugnas.nas.front.member import Member, nothing_within
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.ledger.record import Record

if TYPE_CHECKING:
    from plugnas.nas.run.view import RunView


@dataclass(frozen=True)
class Summary:
    """What the measurements of a run say together.

    ``tried`` counts architectures and ``failed`` those of them without any good measurement;
    ``reasons`` counts failed measurements by kind; ``culprits`` names the choices that failed in
    every architecture they were in. ``best`` is the main objective and its best value on the
    front; ``hypervolume`` is a share of the box that objectives and budget span (0 to 1).
    """

    tried: int
    failed: int
    measurements: int
    reasons: Mapping[str, int]
    culprits: tuple[str, ...]
    best: tuple[str, float] | None
    hypervolume: float | None
    front: tuple[Member, ...]


def summarise(view: RunView) -> Summary:
    """Sum a run up."""
    tried = {m.architecture.id for m in view.measurements}
    good = {m.architecture.id for m in view.measurements if m.ok}
    name, best = view.metric.name, view.best
    return Summary(
        tried=len(tried),
        failed=len(tried - good),
        measurements=len(view.measurements),
        reasons={kind: count for kind, count, _ in kinds(view.measurements)},
        culprits=culprits_of(view),
        best=None if best is None else (name, best[name]),
        hypervolume=view.hypervolume if view.front else None,
        front=tuple(view.front),
    )


def culprits_of(view: RunView) -> tuple[str, ...]:
    """Name the choices of a run's space that failed wherever they were."""
    slots = {p.name: p.slot for p in view.space.parameters}
    return culprits(view.failures, (m for m in view.measurements if m.ok), slots)


def why_empty(view: RunView) -> str:
    """Return why a front is empty and, where a rung is still to be reached, what reaches it."""
    from plugnas.nas.study.rungs import ETA, trials_until

    why = nothing_within(view.members, view.budget)
    tried, needed = len({m.architecture.id for m in view.measurements}), trials_until(view.top_rung)
    if view.members or not view.top_rung or tried >= needed:
        return why
    return (
        f"{why} (rung {view.top_rung + 1}): of {ETA} architectures one goes on to the next rung, "
        f"so the first gets there after {needed}, and {tried} {'was' if tried == 1 else 'were'} "
        f"tried; search on with `--trials {needed}` or more"
    )


def kinds(measurements: Iterable[Measurement | Record]) -> list[tuple[str, int, str]]:
    """Return each kind of failure: its name, how often, and the first reason in full."""
    found: dict[str, list[str]] = defaultdict(list)
    for m in measurements:
        if not m.ok:
            found[kind(m.reason)].append(m.reason or "unknown")
    rows = [(name, len(reasons), reasons[0]) for name, reasons in found.items()]
    return sorted(rows, key=lambda row: -row[1])


def kind(reason: str | None) -> str:
    """Return a reason's kind: ``killed``, ``hung``, ``diverged``, ``raised ValueError``, ..."""
    parts = [part.strip() for part in (reason or "unknown").split(":")]
    if parts[0] == "raised" and len(parts) > 2:
        return f"raised {parts[1]}"
    return parts[0]


def culprits(
    failed: Iterable[Measurement], good: Iterable[Measurement], slots: Mapping[str, str | None]
) -> tuple[str, ...]:
    """Name the choices that failed in each of the (two or more) architectures they were in.

    A choice of a slot is taken together over all places of the network. Nothing is named while
    everything fails, for then no choice is to blame more than another. ``good`` is read only as far
    as it takes.
    """
    owners: dict[tuple[str, object], set[str]] = defaultdict(set)
    for measurement in failed:
        architecture = measurement.architecture
        for name, value in architecture.values.items():
            owners[(_place(name, slots.get(name)), value)].add(architecture.id)
    owners = {where: ids for where, ids in owners.items() if len(ids) > 1}
    some = False
    for measurement in good:
        some = True
        for name, value in measurement.architecture.values.items():
            owners.pop((_place(name, slots.get(name)), value), None)
        if not owners:
            break
    guilty = list(owners.items()) if some else []
    guilty.sort(key=lambda item: -len(item[1]))
    return tuple(
        f"{place} {value} (failed in {len(ids)} of {len(ids)})" for (place, value), ids in guilty
    )


def _place(name: str, slot: str | None) -> str:
    """Return where a parameter chooses: its slot, and for a module's setting which one."""
    if slot is None:
        return name
    tail = name.split(".")
    return slot if slot in tail[-1:] or len(tail) < 2 else f"{slot} {'.'.join(tail[-2:])}"


__all__ = ["Summary", "culprits", "culprits_of", "kind", "kinds", "summarise", "why_empty"]
