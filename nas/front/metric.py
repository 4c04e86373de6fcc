"""What objectives are called and how their values are written: the one place that knows.

The main objective of a run is the first that only an evaluation can tell (no cost that is known
beforehand); the others stand beside it. A value is written as percent only where its metric is a
share of something and every value shown with it lies within 0..1.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

_SHARES = frozenset(
    {
        "accuracy", "top1", "top5", "balanced_accuracy", "precision", "recall", "f1", "macro_f1",
        "micro_f1", "auc", "auroc", "average_precision", "mean_average_precision", "map", "map50",
        "map75", "iou", "miou", "dice",
    }
)  # fmt: skip
SHARES = _SHARES | {f"{name}_int8" for name in _SHARES}
"""Metrics that are shares (0..1) and are written as percent; any other is written as it is."""

PROPORTIONS = frozenset(f"{n}{of}" for n in ("accuracy", "top1", "top5") for of in ("", "_int8"))
"""Shares that count images right or wrong, so that their sampling error is the binomial one."""


@dataclass(frozen=True)
class Metric:
    """An objective and how its values are written; ``percent`` where they are shares of 1."""

    name: str
    direction: str
    percent: bool = False

    @property
    def sign(self) -> float:
        """The factor that makes more of the objective better."""
        return 1.0 if self.direction == "max" else -1.0

    @property
    def unit(self) -> str:
        """What a difference of two values is counted in, with a space before it; or nothing."""
        return " points" if self.percent else ""

    def better(self, a: float, b: float) -> bool:
        """Whether value ``a`` is better than ``b``."""
        return self.sign * a > self.sign * b

    def text(self, value: float) -> str:
        """Write a value: ``98.70 %`` or ``0.4312``; nothing where there is none."""
        if not math.isfinite(value):
            return ""
        return f"{100 * value:.2f} %" if self.percent else f"{value:.4g}"

    def mean_text(self, mean: float, deviation: float) -> str:
        """Write a mean with its standard deviation, where there is one."""
        if not math.isfinite(deviation):
            return self.text(mean)
        if self.percent:
            return f"{100 * mean:.2f} ± {100 * deviation:.2f} %"
        return f"{mean:.4g} ± {deviation:.2g}"

    def size_text(self, difference: float) -> str:
        """Write the size of a difference, without its unit."""
        return f"{100 * difference:.2f}" if self.percent else f"{difference:.4g}"

    def change_text(self, difference: float) -> str:
        """Write a difference with its sign, without its unit: ``+0.35``."""
        return f"{100 * difference:+.2f}" if self.percent else f"{difference:+.4g}"


def main_objective(objectives: Mapping[str, str], costs: Collection[str]) -> str:
    """Return the first objective that is no cost; the first of all where each is one."""
    return next((name for name in objectives if name not in costs), next(iter(objectives)))


def metric(name: str, direction: str, values: Iterable[float] = ()) -> Metric:
    """Return an objective with the way in which these values of it are written."""
    return Metric(name, direction, percent=is_share(name, values))


def is_share(name: str, values: Iterable[float] = ()) -> bool:
    """Whether values of a metric are written as percent: a share by name, and all within 0..1."""
    return name in SHARES and all(0 <= v <= 1 for v in values if math.isfinite(v))


__all__ = ["PROPORTIONS", "SHARES", "Metric", "is_share", "main_objective", "metric"]
