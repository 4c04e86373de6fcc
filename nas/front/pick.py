"""Picks: the one architecture of a run that a word names."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np

from plugnas.modules import PlugnasError
from plugnas.nas.cost.quantity import quantity
from plugnas.nas.front import pareto
from plugnas.nas.front.member import Member, front, nothing_within, table, within


class PickError(PlugnasError):
    """A pick that names no architecture of the run."""


def knee(on_front: Sequence[Member], objectives: Mapping[str, str]) -> Member:
    """Return the knee: most accuracy for least cost, costs taken on a logarithmic scale."""
    points = table(on_front, objectives)
    for column, direction in enumerate(objectives.values()):
        if direction == "min":
            points[:, column] = np.log(np.maximum(points[:, column], 1e-12))
    return on_front[pareto.knee(points, list(objectives.values()))]


def best_within_steps(on_front: Sequence[Member], cost: str) -> list[tuple[float, Member]]:
    """Return the best member within each budget step (1, 2, 5 times powers of ten) of a cost."""
    costs = [m[cost] for m in on_front if m[cost] > 0]
    if not costs:
        return []
    low, high = math.floor(math.log10(min(costs))), math.ceil(math.log10(max(costs)))
    steps = [k * 10.0**e for e in range(low, high + 1) for k in (1, 2, 5)]
    rows: list[tuple[float, Member]] = []
    for step in steps:
        fitting = [m for m in on_front if m[cost] <= step]
        if fitting:
            best = max(fitting, key=lambda m: m["accuracy"])
            if not rows or rows[-1][1] is not best:
                rows.append((step, best))
    return rows


def pick(
    text: str, found: Sequence[Member], objectives: Mapping[str, str], budget: Mapping[str, float]
) -> Member:
    """Return the member that a pick names.

    ``best``, ``knee``, ``smallest:0.98`` (the cheapest of at least that accuracy), ``flops<=2M``
    (the best within), or an id or the beginning of one.

    Raises:
        PickError: nothing, or more than one thing, is named.
    """
    on = front(found, objectives, budget)
    if not on:
        raise PickError(f"{nothing_within(found, budget)}, so there is no pick")
    if text == "best":
        return max(on, key=lambda m: m["accuracy"])
    if text == "knee":
        return knee(on, objectives)
    if match := re.fullmatch(r"smallest:(\d*\.?\d+|\d+\.)", text):
        return _smallest(on, float(match[1]))
    if match := re.fullmatch(r"\s*(\w+)\s*<=\s*(.+?)\s*", text):
        return _best_within(found, match[1], quantity(match[2], "the limit"))
    return _by_id(found, text)


def _smallest(on: Sequence[Member], accuracy: float) -> Member:
    good = [m for m in on if m["accuracy"] >= accuracy]
    if not good:
        best = max(m["accuracy"] for m in on)
        hint = f" (accuracies are fractions: {accuracy / 100:g}?)" if 1 < accuracy <= 100 else ""
        raise PickError(
            f"nothing reaches an accuracy of {accuracy:g}; the best has {best:.4f}{hint}"
        )
    return good[0]


def _best_within(found: Sequence[Member], cost: str, limit: float) -> Member:
    sound = [m for m in found if math.isfinite(m["accuracy"])]
    fitting = within(sound, {cost: limit})
    if not fitting:
        least = min(m[cost] for m in sound)
        raise PickError(f"nothing has {cost} <= {limit:g}; the least is {least:g}")
    return max(fitting, key=lambda m: m["accuracy"])


def _by_id(found: Sequence[Member], text: str) -> Member:
    matches = [m for m in found if m.id.startswith(text)] if text else []
    if not matches:
        raise PickError(
            f"`{text}` is no pick: give best, knee, smallest:ACCURACY, COST<=LIMIT, or an id that "
            "`nas front` shows"
        )
    if len(matches) > 1:
        raise PickError(f"`{text}` begins {len(matches)} ids: {', '.join(m.id for m in matches)}")
    return matches[0]
