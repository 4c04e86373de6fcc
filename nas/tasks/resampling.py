"""How sure a metric of a whole part is: the bootstrap over its images (Efron, 1979)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

SAMPLES = 1000
LEAST = 8
"""Images below which nothing is said."""


def interval_of(
    rows: Tensor, metric: Callable[[Tensor], Tensor], samples: int = SAMPLES
) -> list[float] | None:
    """Return the 95 % percentile interval of a metric; None for fewer than 8 images.

    Images are drawn again with replacement, the same draws at every call, and the metric computed
    of the sums of what was drawn.

    Args:
        rows: what each image adds, float64 (N, K).
        metric: of sums (R, K), one value each, (R,).
        samples: how often the images are drawn.
    """
    count = len(rows)
    if count < LEAST:
        return None
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randint(0, count, (samples, count), generator=generator)
    times = torch.zeros(samples, count, dtype=rows.dtype)
    times.scatter_add_(1, drawn, torch.ones_like(times))
    values = metric(times @ rows)
    low, high = values.quantile(torch.tensor([0.025, 0.975], dtype=values.dtype)).tolist()
    return [low, high]


__all__ = ["LEAST", "SAMPLES", "interval_of"]
