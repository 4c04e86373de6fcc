"""The front of a run: what was measured, per architecture, and which of it nothing else beats."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType

import numpy as np

from plugnas.modules import PlugnasError
from plugnas.nas.cost.quantity import short
from plugnas.nas.front import pareto
from plugnas.nas.front.metric import Metric, main_objective, metric
from plugnas.nas.ledger.measurement import Measurement
from plugnas.space import Architecture


@dataclass(frozen=True)
class Member:
    """One architecture at one rung: the mean of its measurements over seeds, and its costs.

    ``values`` are means, ``spread`` standard deviations over the ``n`` seeds (NaN where n is 1);
    ``numbers`` are the tasks, so that every figure can be traced to ledger lines; ``images`` is how
    many were scored, None where it is not known. ``intervals`` are 95 % intervals of values that
    the evaluation itself told, from the images it scored.
    """

    architecture: Architecture
    rung: int
    values: Mapping[str, float]
    costs: Mapping[str, float]
    spread: Mapping[str, float]
    n: int
    numbers: tuple[int, ...]
    images: int | None = None
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The architecture's id."""
        return self.architecture.id

    def __getitem__(self, name: str) -> float:
        """Return a value or a cost by name; NaN where there is none."""
        values = self.values
        return values[name] if name in values else self.costs.get(name, math.nan)


def members(measurements: Iterable[Measurement], rung: int) -> list[Member]:
    """Return what was measured at one rung, in the order told.

    Failed measurements are left out; a value of another rung never enters.
    """
    groups: dict[str, list[Measurement]] = {}
    for m in measurements:
        if m.ok and m.rung == rung:
            groups.setdefault(m.architecture.id, []).append(m)
    return [_member(group) for group in groups.values()]


def _member(group: list[Measurement]) -> Member:
    first = group[0]
    if len(group) == 1:  # nearly all: no mean to take
        return Member(
            architecture=first.architecture,
            rung=first.rung,
            values=first.values,
            costs=first.costs,
            spread=_unknown(tuple(first.values)),
            n=1,
            numbers=(first.number,),
            images=int(first.extra.get("images") or 0) or None,
            intervals=intervals_of(group),
        )
    values = {name: [m.values[name] for m in group if name in m.values] for name in first.values}
    return Member(
        architecture=first.architecture,
        rung=first.rung,
        values={name: float(np.mean(v)) for name, v in values.items()},
        costs=dict(first.costs),
        spread={
            name: float(np.std(v, ddof=1)) if len(v) > 1 else math.nan for name, v in values.items()
        },
        n=len(group),
        numbers=tuple(m.number for m in group),
        images=min(int(m.extra.get("images") or 0) for m in group) or None,
        intervals=intervals_of(group),
    )


def intervals_of(group: Sequence[Measurement]) -> Mapping[str, tuple[float, float]]:
    """Return the mean interval of each value of which every measurement tells one.

    All seeds are scored on the same images, so more of them make the images' part no smaller.
    """
    told = [m.extra.get("intervals") or _NONE for m in group]
    if not told[0]:
        return _NONE
    found = {}
    for name in told[0]:
        pairs = [own.get(name) for own in told]
        if all(isinstance(p, list | tuple) and len(p) == 2 for p in pairs):
            low, high = np.mean(np.array(pairs, dtype=float), axis=0)
            found[str(name)] = (float(low), float(high))
    return found


_NONE: Mapping[str, tuple[float, float]] = MappingProxyType({})  # one for all without intervals


@cache
def _unknown(names: tuple[str, ...]) -> Mapping[str, float]:
    """Return that nothing is known of the spread of values; one mapping for all of these names."""
    return MappingProxyType(dict.fromkeys(names, math.nan))


def class_iou_of(group: Sequence[Measurement]) -> dict[str, float | None]:
    """Return the mean IoU of each class over measurements that tell it, None where none has one."""
    told = [m.extra["class_iou"] for m in group if "class_iou" in m.extra]
    means: dict[str, float | None] = {}
    for name in told[0] if told else ():
        known = [float(value) for own in told if (value := own.get(name)) is not None]
        means[str(name)] = float(np.mean(known)) if known else None
    return means


def table(
    found: Sequence[Member] | Sequence[Measurement], objectives: Mapping[str, str]
) -> np.ndarray:
    """Return the objectives of members or measurements, float64 (n, m)."""
    columns = [
        [m.values[name] if name in m.values else m.costs.get(name, math.nan) for m in found]
        for name in objectives
    ]
    return np.array(columns, dtype=np.float64).T.reshape(len(found), len(objectives))


def within(found: Sequence[Member], budget: Mapping[str, float]) -> list[Member]:
    """Return the members whose costs are within the budget.

    Raises:
        PlugnasError: the budget names a cost that was not recorded.
    """
    for name in budget:
        if found and name not in found[0].costs:
            known = ", ".join(found[0].costs)
            raise PlugnasError(f"the run recorded no cost `{name}` (it has: {known})")
    return [m for m in found if all(m.costs[name] <= limit for name, limit in budget.items())]


def front(
    found: Sequence[Member],
    objectives: Mapping[str, str],
    budget: Mapping[str, float] | None = None,
) -> list[Member]:
    """Return the non-dominated members within budget, cheapest first.

    Without a cost among the objectives the order is that of the main one, the best last. Of members
    equal in every objective the first measured stays; one with a NaN is never on it.
    """
    fitting = within(found, budget or {})
    if not fitting:
        return []
    mask = pareto.non_dominated(
        table(fitting, objectives), list(objectives.values()), keep_ties=False
    )
    on = [member for member, keep in zip(fitting, mask, strict=True) if keep]
    main = main_of(fitting, objectives)
    first = next((name for name in objectives if name in fitting[0].costs), None)

    def place(member: Member) -> tuple[float, float]:
        value = main.sign * member[main.name]
        return (value, 0.0) if first is None else (member[first], -value)

    return sorted(on, key=place)


def main_of(found: Sequence[Member], objectives: Mapping[str, str]) -> Metric:
    """Return the main objective of members: the first that is no cost of theirs."""
    name = main_objective(objectives, found[0].costs if found else ())
    return metric(name, objectives[name], [m[name] for m in found])


def newest_of(on_front: Sequence[Member]) -> int:
    """Return the trial, from 1, that was the last to bring a member to the front."""
    return 1 + max(min(member.numbers) for member in on_front)


def nothing_within(found: Sequence[Member], budget: Mapping[str, float]) -> str:
    """Return why a front is empty: nothing is finished, or nothing finished is within budget."""
    if not found:
        return "no architecture has finished the highest rung yet"
    limits = ", ".join(f"{name} <= {short(limit)}" for name, limit in budget.items())
    if not limits or len(within(found, budget)):
        return "no architecture at the highest rung has all its objectives"
    least = ", ".join(f"{name} {short(min(m.costs[name] for m in found))}" for name in budget)
    return (
        f"none of the {len(found)} architectures at the highest rung is within {limits} (the least "
        f"there is: {least})"
    )
