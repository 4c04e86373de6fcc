"""Confusion matrices, and what several tasks compute from them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from plugnas.nas.tasks.base import TaskError


def listed(
    names: Sequence[str], figures: Sequence[float], form: str, most: int, summary: str
) -> str:
    """Return ``name figure, ...`` for up to ``most`` names, else their number and the range.

    Args:
        names: classes or labels.
        figures: a count or a share for each.
        form: how one figure is written, such as ``d``.
        most: names that are written one by one.
        summary: what is said of more, with ``{least}`` and ``{largest}``.
    """
    if len(names) <= most:
        pairs = zip(names, figures, strict=True)
        return ", ".join(f"{name} {figure:{form}}" for name, figure in pairs)
    return f"{len(names)}, of {summary.format(least=min(figures), largest=max(figures))} each"


def few(names: Sequence[str], most: int = 4) -> str:
    """Return the first names, with dots where there are more."""
    return ", ".join([*names[:most], *(["..."] if len(names) > most else [])])


def confusion(answers: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Return a confusion matrix (true class, answer), float64 (classes, classes).

    ``answers`` and ``labels`` are int64 of one shape; labels outside the classes are left out.
    """
    known = (labels >= 0) & (labels < classes)
    places = labels[known] * classes + answers[known]
    return torch.bincount(places, minlength=classes**2).double().view(classes, classes)


def confused(matrix: np.ndarray, most: int) -> list[list[int]]:
    """Return the ``most`` frequent errors of a matrix (true class, answer) of counts.

    Each is [true class, answer, images, images of the true class]. Of equal counts those of the
    smaller true class come first, which are the larger share of it.
    """
    errors = matrix * (1 - np.eye(len(matrix), dtype=matrix.dtype))
    totals = matrix.sum(1)
    true, answer = np.nonzero(errors)
    counts = errors[true, answer]
    order = np.lexsort((answer, true, totals[true], -counts))[:most]
    columns = (true, answer, counts, totals[true])
    return [[int(column[i]) for column in columns] for i in order]


def balanced_accuracy(matrix: Tensor) -> float:
    """Return the mean recall over the classes that there are."""
    there = matrix.sum(1) > 0
    return float((matrix.diagonal()[there] / matrix.sum(1)[there]).mean())


def macro_f1(matrix: Tensor) -> float:
    """Return the mean F1 over the classes that there are or that were answered."""
    total = matrix.sum(0) + matrix.sum(1)
    there = total > 0
    return float((2 * matrix.diagonal()[there] / total[there]).mean())


def weights_of(
    asked: str | Sequence[float] | None, counts: np.ndarray, classes: Sequence[str]
) -> Tensor | None:
    """Return the weight of each class in the loss, float32 (classes,); None where all are 1.

    ``counts`` are images (or pixels) of each class; one that there is none of weighs 0.

    Raises:
        TaskError: neither ``balanced`` nor one number above 0 for each class.
    """
    if asked is None:
        return None
    if asked == "balanced":
        balanced = counts.sum() / (len(counts) * np.maximum(counts, 1)) * (counts > 0)
        return torch.tensor(balanced, dtype=torch.float32)
    numbers = isinstance(asked, list | tuple) and all(
        isinstance(w, int | float) and not isinstance(w, bool) and 0 < w < math.inf for w in asked
    )
    if not numbers or len(asked) != len(classes):
        raise TaskError(
            f"`class_weights` is `balanced`, or a list of {len(classes)} numbers above 0, one for "
            f"each of {', '.join(classes[:4])}{', ...' if len(classes) > 4 else ''}, got {asked!r}"
        )
    return torch.tensor(list(map(float, asked)), dtype=torch.float32)


__all__ = ["balanced_accuracy", "confused", "confusion", "macro_f1", "weights_of"]
