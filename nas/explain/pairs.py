"""Matched pairs: architectures that differ in one slot alone, under the same rung and seed."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

from nas.explain.design import Slot, content, without
from nas.explain.verdicts import UNSETTLED, WORTH, further, judge
from nas.records import Measurement
from space import SearchSpace
from space.parameter import Token


@dataclass(frozen=True)
class Comparison:
    """A choice against its slot's reference, all else equal.

    ``gain`` is the mean difference in accuracy with its 95 % interval (NaN with one pair), not
    corrected for cost: ``added`` has the mean relative change of each cost (0.1 is 10 % more), and
    ``costs`` the mean costs with the choice. ``accuracy`` is the mean with the choice.
    ``backbones`` are the networks that differ in all else, ``pairs`` counts seeds too.
    """

    slot: str
    choice: str
    against: str
    accuracy: float
    gain: float
    low: float
    high: float
    pairs: int
    backbones: int
    added: dict[str, float]
    costs: dict[str, float]
    verdict: str
    more: int
    numbers: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data; unknown numbers are None."""
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in asdict(self).items()
        }


def comparisons(
    space: SearchSpace, slot: Slot, measurements: Sequence[Measurement], worth: float = WORTH
) -> list[Comparison]:
    """Compare every choice of a slot with its reference wherever a matched pair was measured.

    The highest rung at which there are pairs is taken. Best gain first; the reference itself comes
    last, with gain 0.
    """
    good = [m for m in measurements if m.ok and "accuracy" in m.values]
    for rung in sorted({m.rung for m in good}, reverse=True):
        found = _at_rung(space, slot, [m for m in good if m.rung == rung], worth)
        if found:
            return found
    return []


def _at_rung(
    space: SearchSpace, slot: Slot, measurements: Sequence[Measurement], worth: float
) -> list[Comparison]:
    held: dict[Token, dict[tuple[Any, int], Measurement]] = defaultdict(dict)
    for m in measurements:
        choice = content(slot, space, m.architecture)
        if choice is not None:
            held[choice][without(slot, space, m.architecture), m.seed] = m
    base = held.pop(slot.reference, {})
    found = []
    for choice, own in held.items():
        both = sorted(own.keys() & base.keys(), key=lambda key: base[key].number)
        if both:
            pairs = [(own[key], base[key]) for key in both]
            found.append(_compare(slot, choice, pairs, [key[0] for key in both], worth))
    found.sort(key=lambda c: -c.gain)
    if found:
        used = [m for key, m in base.items() if any(key in own for own in held.values())]
        found.append(_reference(slot, used))
    return found


def _compare(
    slot: Slot,
    choice: Token,
    pairs: Sequence[tuple[Measurement, Measurement]],
    backbones: Sequence[Any],
    worth: float,
) -> Comparison:
    difference = np.array([a.values["accuracy"] - b.values["accuracy"] for a, b in pairs])
    groups = list(dict.fromkeys(backbones))
    if len(groups) > 1:  # seeds of one backbone are not independent evidence on others
        means = [difference[[i for i, b in enumerate(backbones) if b == g]].mean() for g in groups]
        sample = np.array(means)
    else:
        sample = difference
    gain, reach = float(sample.mean()), math.nan
    if len(sample) > 1:
        error = float(sample.std(ddof=1)) / math.sqrt(len(sample))
        reach = float(stats.t.ppf(0.975, len(sample) - 1)) * error
    low, high = gain - reach, gain + reach
    verdict = judge(low, high, worth) if math.isfinite(reach) else UNSETTLED
    more = 0
    if verdict == UNSETTLED and math.isfinite(reach):
        more = further(gain, low, high, len(pairs), worth)
    return Comparison(
        slot.name, str(choice), str(slot.reference),
        accuracy=float(np.mean([a.values["accuracy"] for a, _ in pairs])),
        gain=gain, low=low, high=high, pairs=len(pairs), backbones=len(groups),
        added={
            name: float(np.mean([a.costs[name] / b.costs[name] - 1 for a, b in pairs]))
            for name in pairs[0][0].costs
            if all(b.costs.get(name) for _, b in pairs)
        },
        costs=_mean_costs([a for a, _ in pairs]),
        verdict=verdict, more=more, numbers=tuple(a.number for a, _ in pairs),
    )  # fmt: skip


def _reference(slot: Slot, used: Sequence[Measurement]) -> Comparison:
    return Comparison(
        slot.name, str(slot.reference), str(slot.reference),
        accuracy=float(np.mean([m.values["accuracy"] for m in used])),
        gain=0.0, low=0.0, high=0.0, pairs=len(used), backbones=0,
        added=dict.fromkeys(used[0].costs, 0.0), costs=_mean_costs(used),
        verdict="the reference", more=0, numbers=tuple(m.number for m in used),
    )  # fmt: skip


def _mean_costs(measurements: Sequence[Measurement]) -> dict[str, float]:
    return {
        name: float(np.mean([m.costs[name] for m in measurements]))
        for name in measurements[0].costs
        if all(name in m.costs for m in measurements)
    }


__all__ = ["Comparison", "comparisons"]
