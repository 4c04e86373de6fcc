"""Matched pairs: architectures that differ in one slot alone, under the same rung and seed."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy.special import stdtrit  # Student's t; scipy.stats is slow to import

from plugnas.nas.explain.design import Slot, content, without
from plugnas.nas.explain.verdicts import UNSETTLED, judge, worth_of
from plugnas.nas.front.metric import Metric
from plugnas.nas.ledger.measurement import Measurement
from plugnas.space import SearchSpace
from plugnas.space.parameter import Token

Trained = dict[tuple[Any, int], Measurement]
"""What stands beside the choice, and the seed -> the training."""


@dataclass(frozen=True)
class Comparison:
    """A choice against its slot's reference, all else equal.

    ``gain`` is the mean difference in ``metric`` with its 95 % interval (NaN with one pair), not
    corrected for cost: ``added`` has the mean relative change of each cost (0.1 is 10 % more), and
    ``costs`` the mean costs with the choice. ``value`` is the metric's mean with the choice.
    ``backbones`` are the networks that differ in all else, ``pairs`` counts seeds too; in
    ``over_budget`` of them the network with the choice costs more than the budget allows.
    """

    slot: str
    choice: str
    against: str
    metric: Metric
    value: float
    gain: float
    low: float
    high: float
    pairs: int
    backbones: int
    added: dict[str, float]
    costs: dict[str, float]
    verdict: str
    numbers: tuple[int, ...]
    over_budget: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data; unknown numbers are None."""
        told = {**asdict(self), "metric": self.metric.name}
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in told.items()
        }


def comparisons(
    space: SearchSpace,
    slot: Slot,
    measurements: Sequence[Measurement],
    metric: Metric,
    budget: Mapping[str, float] | None = None,
) -> list[Comparison]:
    """Compare every choice of a slot with its reference wherever a matched pair was measured.

    The highest rung at which there are pairs is taken. Best gain first; the reference itself comes
    last, with gain 0.

    Args:
        space: what was searched.
        slot: where the architectures of a pair differ.
        measurements: of any rung.
        metric: what is compared.
        budget: its limits mark choices that lead out of it.
    """
    good = [m for m in measurements if m.ok and metric.name in m.values]
    for rung in sorted({m.rung for m in good}, reverse=True):
        at_rung = [m for m in good if m.rung == rung]
        found = _at_rung(space, slot, at_rung, metric, budget or {})
        if found:
            return found
    return []


def _over(trained: Trained, budget: Mapping[str, float]) -> int:
    """Return how many trainings were of networks that cost more than the budget allows."""
    return sum(
        any(m.costs.get(name, 0.0) > limit for name, limit in budget.items())
        for m in trained.values()
    )


def _at_rung(
    space: SearchSpace,
    slot: Slot,
    measurements: Sequence[Measurement],
    metric: Metric,
    budget: Mapping[str, float],
) -> list[Comparison]:
    held: dict[Token, Trained] = defaultdict(dict)
    for m in measurements:
        choice = content(slot, space, m.architecture)
        if choice is not None:
            held[choice][without(slot, space, m.architecture), m.seed] = m
    base = held.pop(slot.reference, {})
    matched = {c: {k: m for k, m in own.items() if k in base} for c, own in held.items()}
    matched = {choice: own for choice, own in matched.items() if own}
    if not matched:
        return []
    used = {k: m for k, m in base.items() if any(k in own for own in matched.values())}
    backbones = len({key[0] for key in used})
    gains = _additive({slot.reference: used, **matched}, metric.name, 0 if backbones > 1 else 1)
    worth = worth_of(metric, [m.values[metric.name] for m in measurements])
    found = [
        replace(
            _compare(slot, choice, own, used, gain, metric, worth), over_budget=_over(own, budget)
        )
        for (choice, own), gain in zip(matched.items(), gains, strict=True)
    ]
    reference = replace(
        _reference(slot, list(used.values()), metric), over_budget=_over(used, budget)
    )
    return [*sorted(found, key=lambda c: -metric.sign * c.gain), reference]


def _additive(table: Mapping[Token, Trained], metric: str, part: int) -> list[tuple[float, float]]:
    """Return (gain, reach of its 95 % interval) of every choice but the first against the first.

    Metric = choice + unit + noise, by least squares, with one noise for all choices: three
    seeds say next to nothing of a variance of their own, three seeds of fifty choices say a lot.
    A unit is a backbone (seeds averaged: they are no evidence on other backbones), or with a
    single one a seed; ``part`` tells which part of a key that is. With two choices this is the
    paired t test.
    """
    cells: dict[tuple[int, Any], list[float]] = defaultdict(list)
    for row, trained in enumerate(table.values()):
        for key, m in trained.items():
            cells[row, key[part]].append(m.values[metric])
    units = list(dict.fromkeys(unit for _, unit in cells))
    design = np.zeros((len(cells), len(table) - 1 + len(units)))
    for i, (row, unit) in enumerate(cells):
        if row:
            design[i, row - 1] = 1
        design[i, len(table) - 1 + units.index(unit)] = 1
    y = np.array([np.mean(values) for values in cells.values()])
    solution = np.linalg.lstsq(design, y, rcond=None)[0]
    freedom = len(y) - int(np.linalg.matrix_rank(design))
    reach = np.full(len(table) - 1, math.nan)
    if freedom > 0:
        variance = float(((y - design @ solution) ** 2).sum()) / freedom
        inverse = np.linalg.pinv(design.T @ design)
        errors = np.sqrt(variance * np.diag(inverse)[: len(table) - 1])
        reach = float(stdtrit(freedom, 0.975)) * errors
    return [(float(g), float(r)) for g, r in zip(solution, reach, strict=False)]


def _compare(
    slot: Slot,
    choice: Token,
    own: Trained,
    base: Trained,
    gain_and_reach: tuple[float, float],
    metric: Metric,
    worth: float,
) -> Comparison:
    gain, reach = gain_and_reach
    pairs = [(own[key], base[key]) for key in sorted(own, key=lambda key: own[key].number)]
    low, high = gain - reach, gain + reach
    verdict = judge(low, high, worth, metric) if math.isfinite(reach) else UNSETTLED
    return Comparison(
        slot.name, str(choice), str(slot.reference), metric,
        value=float(np.mean([a.values[metric.name] for a, _ in pairs])),
        gain=gain, low=low, high=high, pairs=len(pairs), backbones=len({key[0] for key in own}),
        added={
            name: float(np.mean([a.costs[name] / b.costs[name] - 1 for a, b in pairs]))
            for name in pairs[0][0].costs
            if all(name in a.costs and b.costs.get(name) for a, b in pairs)
        },
        costs=_mean_costs([a for a, _ in pairs]),
        verdict=verdict, numbers=tuple(a.number for a, _ in pairs),
    )  # fmt: skip


def _reference(slot: Slot, used: Sequence[Measurement], metric: Metric) -> Comparison:
    return Comparison(
        slot.name, str(slot.reference), str(slot.reference), metric,
        value=float(np.mean([m.values[metric.name] for m in used])),
        gain=0.0, low=0.0, high=0.0, pairs=len(used), backbones=0,
        added=dict.fromkeys(used[0].costs, 0.0), costs=_mean_costs(used),
        verdict="the reference", numbers=tuple(m.number for m in used),
    )  # fmt: skip


def _mean_costs(measurements: Sequence[Measurement]) -> dict[str, float]:
    return {
        name: float(np.mean([m.costs[name] for m in measurements]))
        for name in measurements[0].costs
        if all(name in m.costs for m in measurements)
    }


__all__ = ["Comparison", "comparisons"]
