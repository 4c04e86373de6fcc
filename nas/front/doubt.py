"""How sure a front's values are: intervals from images and seeds, and steps within the noise.

A share of n images right has a sampling error: Wilson's 95 % interval (1927). Of other metrics an
evaluation may tell the interval itself (``miou``: the bootstrap over the images). Several seeds add
the error of their mean. Whether one member is better than another is told by Newcombe's interval of
the difference (1998, his method 10). Networks scored on the same images are told apart better
than that, by how much is not known from their shares alone: the test errs on the side of doubt.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from plugnas.nas.front.member import Member
from plugnas.nas.front.metric import PROPORTIONS, Metric

_Z = 1.959964
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)  # by degrees of freedom


def wilson(share: float, images: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of so many images."""
    z2 = _Z**2 / images
    middle = (share + z2 / 2) / (1 + z2)
    reach = _Z / (1 + z2) * math.sqrt(share * (1 - share) / images + z2 / images / 4)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def interval(member: Member, main: Metric) -> tuple[float, float] | None:
    """Return the 95 % interval of a member's main objective; None where nothing tells of it."""
    spread = member.spread.get(main.name, math.nan)
    told = member.intervals.get(main.name)
    return interval_of(member[main.name], main, member.images, spread, member.n, told)


def interval_of(
    value: float,
    main: Metric,
    images: int | None,
    spread: float,
    seeds: int,
    told: tuple[float, float] | None = None,
) -> tuple[float, float] | None:
    """Return the 95 % interval of a value, None where nothing tells of it.

    Args:
        value: the mean over the seeds.
        main: the objective that it is of.
        images: how many images were scored, None where that is not known.
        spread: standard deviation over the seeds, NaN where there is one only.
        seeds: how many there are.
        told: the interval from the images where the evaluation itself told one.
    """
    if not math.isfinite(value):
        return None
    below = above = 0.0
    counted = told is not None
    if told is None and main.name in PROPORTIONS and main.percent and images:
        told, counted = wilson(value, images), True
    if told is not None:
        below, above = max(0.0, value - told[0]), max(0.0, told[1] - value)
    if math.isfinite(spread) and seeds > 1:
        factor = _T[seeds - 2] if seeds - 2 < len(_T) else _Z
        error = factor * spread / math.sqrt(seeds)
        below, above = math.hypot(below, error), math.hypot(above, error)
    elif not counted:
        return None
    low, high = value - below, value + above
    return (max(0.0, low), min(1.0, high)) if main.percent else (low, high)


def range_text(found: tuple[float, float] | None, main: Metric) -> str:
    """Return an interval as ``[96.4, 99.2]``; nothing where there is none."""
    if found is None or not math.isfinite(found[0]):
        return ""
    return f"[{main.size_text(found[0])}, {main.size_text(found[1])}]"


def told_apart(a: Member, b: Member, main: Metric) -> bool:
    """Whether two values differ by more than their noise; also where nothing tells of the noise."""
    one, other = sorted((a, b), key=lambda m: m[main.name])
    lower, upper = interval(one, main), interval(other, main)
    if lower is None or upper is None:
        return True
    noise = math.hypot(lower[1] - one[main.name], other[main.name] - upper[0])
    return other[main.name] - one[main.name] > noise


def light(front: Sequence[Member], main: Metric) -> set[str]:
    """Return the ids of those of a front, cheapest first, that are not told from the step below."""
    return {
        dearer.id for cheaper, dearer in pairwise(front) if not told_apart(cheaper, dearer, main)
    }


def sure(front: Sequence[Member], main: Metric) -> list[Member]:
    """Return the cheapest of a front and those told apart from the last one kept before them."""
    kept = list(front[:1])
    for member in front[1:]:
        if told_apart(kept[-1], member, main):
            kept.append(member)
    return kept


__all__ = ["interval", "interval_of", "light", "range_text", "sure", "told_apart", "wilson"]
