"""From an effect with its interval to words."""

from __future__ import annotations

from collections.abc import Sequence

from plugnas.nas.front.metric import Metric

WORTH = 0.002
"""Share below which a difference does not matter (0.2 points)."""

PAYS, PAYS_NOT, UNSETTLED = "pays", "does not pay", "not enough evidence"


def worth_of(metric: Metric, values: Sequence[float]) -> float:
    """Return the least difference that matters: 0.002, of a share or of the range of values."""
    return WORTH if metric.percent else WORTH * (max(values) - min(values))


def judge(low: float, high: float, worth: float, metric: Metric) -> str:
    """Return the verdict on an effect with a 95 % interval: where all of it lies decides.

    Args:
        low: the interval's lower end.
        high: its upper end.
        worth: the least difference that matters.
        metric: what the effect is counted in.
    """
    if metric.direction == "min":
        low, high = -high, -low
    if low > 0:
        return PAYS
    if high < 0 or (-worth <= low and high <= worth):
        return PAYS_NOT
    return UNSETTLED


__all__ = ["PAYS", "PAYS_NOT", "UNSETTLED", "WORTH", "judge", "worth_of"]
