"""From an effect with its interval to words, and to what would settle it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from plugnas.nas.front.metric import Metric

WORTH = 0.002
"""Share below which a difference is not worth having (0.2 points)."""

PAYS, PAYS_NOT, UNSETTLED = "pays", "does not pay", "not enough evidence"


def worth_of(metric: Metric, values: Sequence[float]) -> float:
    """Return the least difference that matters: 0.002, of a share or of the range of values."""
    return WORTH if metric.percent else WORTH * (max(values) - min(values))


def judge(low: float, high: float, worth: float, metric: Metric) -> str:
    """Return the verdict on an effect with a 95 % interval: where all of it lies decides."""
    if metric.direction == "min":
        low, high = -high, -low
    if low > 0:
        return PAYS
    if high < 0 or (-worth <= low and high <= worth):
        return PAYS_NOT
    return UNSETTLED


def further(effect: float, low: float, high: float, now: int, worth: float) -> int:
    """Return about how many more evaluations with the choice bring the interval off zero.

    An interval narrows with the square root of what it rests on; it has to become as narrow as the
    effect is large, or, for an effect too small to matter, as what is worth having.
    """
    half = (high - low) / 2
    target = max(abs(effect), worth)
    return max(1, math.ceil(now * ((half / target) ** 2 - 1)))


__all__ = ["PAYS", "PAYS_NOT", "UNSETTLED", "WORTH", "further", "judge", "worth_of"]
