"""What a page shows of the classes that a network takes for each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np

from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.tasks.counts import confused

MOST = 20
"""Classes whose matrix is shown whole; of more, the pairs alone."""

_PAIRS = 15


def confusion_of(measurements: Sequence[Measurement], rung: int) -> dict[str, Any]:
    """Return what one training of a network answered by class: ``confusion``, or nothing.

    It holds ``seed``, ``pairs``, the most frequent errors as [true class, answer, images, images of
    the true class], and of at most 20 classes ``matrix``: a row per true class, a column per
    answer. Of several seeds it is the first that was told.
    """
    for m in measurements:
        if not m.ok or m.rung != rung:
            continue
        matrix, told = m.extra.get("confusion"), m.extra.get("confused")
        if _is_matrix(matrix):
            shown = {"matrix": matrix} if len(matrix) <= MOST else {}
            pairs = confused(np.array(matrix), _PAIRS)
            return {"confusion": {"seed": m.seed, "pairs": pairs, **shown}}
        if isinstance(told, list) and all(_are_counts(pair, 4) for pair in told):
            return {"confusion": {"seed": m.seed, "pairs": told[:_PAIRS]}}
    return {}


def _is_matrix(value: Any) -> TypeGuard[list[list[int]]]:
    """Whether a value, which a foreign ledger may hold, is a square matrix of counts."""
    return (
        isinstance(value, list)
        and len(value) > 1
        and all(_are_counts(row, len(value)) for row in value)
    )


def _are_counts(value: Any, length: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) == length
        and all(type(count) is int and count >= 0 for count in value)
    )


__all__ = ["MOST", "confusion_of"]
