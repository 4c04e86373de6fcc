"""Picks: the one architecture of a run that a word names."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np

from plugnas.modules import PlugnasError
from plugnas.nas.cost.quantity import quantity, short
from plugnas.nas.front import pareto
from plugnas.nas.front.doubt import sure
from plugnas.nas.front.member import Member, front, main_of, nothing_within, table, within
from plugnas.nas.front.metric import Metric


class PickError(PlugnasError):
    """A pick that names no architecture of the run."""


def knee(on_front: Sequence[Member], objectives: Mapping[str, str]) -> Member:
    """Return the knee: most gained over all objectives, costs taken on a logarithmic scale.

    Where a value is traded for one cost, a step that is within the noise gains nothing: members
    that are not told apart from a cheaper one are no knee.
    """
    main = main_of(on_front, objectives)
    if len(objectives) == 2 and any(name in on_front[0].costs for name in objectives):
        on_front = sure(on_front, main)
    points = table(on_front, objectives)
    for column, name in enumerate(objectives):
        if name in on_front[0].costs:
            points[:, column] = np.log(np.maximum(points[:, column], 1e-12))
    return on_front[pareto.knee(points, list(objectives.values()))]


def best_within_steps(
    on_front: Sequence[Member], cost: str, main: Metric
) -> list[tuple[float, Member]]:
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
            best = _best(fitting, main)
            if not rows or rows[-1][1] is not best:
                rows.append((step, best))
    return rows


def pick(
    text: str, found: Sequence[Member], objectives: Mapping[str, str], budget: Mapping[str, float]
) -> Member:
    """Return the member that a pick names.

    Args:
        text: ``best`` by the main objective; ``knee``; ``smallest:0.98`` (the cheapest that reaches
            this value of the main objective); ``flops<=2M`` (the best within); or an id or the
            beginning of one.
        found: the members of the run.
        objectives: name -> ``max`` or ``min``; the first that is no cost is the main one.
        budget: cost -> its upper limit.

    Raises:
        PickError: nothing, or more than one thing, is named.
    """
    on = front(found, objectives, budget)
    if not on:
        raise PickError(f"{nothing_within(found, budget)}, so there is no pick")
    main = main_of(found, objectives)
    if text == "best":
        return _best(on, main)
    if text == "knee":
        return knee(on, objectives)
    if match := re.fullmatch(r"smallest:(.*)", text):
        return _smallest(on, main, match[1])
    if match := re.fullmatch(r"\s*(\w+)\s*<=\s*(.+?)\s*", text):
        return _best_within(found, match[1], quantity(match[2], "the limit"), main)
    return _by_id(found, text, main)


def _best(found: Sequence[Member], main: Metric) -> Member:
    return max(found, key=lambda m: main.sign * m[main.name])


def _smallest(on: Sequence[Member], main: Metric, text: str) -> Member:
    """Return the first of a front, which is sorted by cost, that reaches a value."""
    try:
        value = float(text)
    except ValueError:
        raise PickError(
            f"`smallest:{text}` is no pick: give a number, the {main.name} to reach"
        ) from None
    good = [m for m in on if not main.better(value, m[main.name])]
    if good:
        return good[0]
    best = _best(on, main)[main.name]
    hint = ""
    if main.percent and 1 < value <= 100:
        hint = f" (values of {main.name} are fractions: {value / 100:g}?)"
    raise PickError(f"nothing reaches {main.name} {value:g}; the best has {best:.4g}{hint}")


def _best_within(found: Sequence[Member], cost: str, limit: float, main: Metric) -> Member:
    sound = [m for m in found if math.isfinite(m[main.name])]
    if not sound:
        raise PickError(f"no architecture has a finite {main.name}, so none is the best")
    fitting = within(sound, {cost: limit})
    if not fitting:
        least = min(m[cost] for m in sound)
        raise PickError(f"nothing has {cost} <= {short(limit)}; the least is {short(least)}")
    return _best(fitting, main)


def _by_id(found: Sequence[Member], text: str, main: Metric) -> Member:
    matches = [m for m in found if m.id.startswith(text)] if text else []
    if not matches:
        raise PickError(
            f"`{text}` is no pick: give best, knee, smallest:VALUE (the cheapest that reaches this "
            f"{main.name}), COST<=LIMIT, or an id that `nas front` shows"
        )
    if len(matches) > 1:
        raise PickError(f"`{text}` begins {len(matches)} ids: {', '.join(m.id for m in matches)}")
    return matches[0]
