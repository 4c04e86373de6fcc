"""Several labels for each image: which rows of 0 and 1 there are, and what must be among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plugnas.modules import did_you_mean
from plugnas.nas.data.errors import DataError

_MARKS = {"0": 0, "1": 1, "false": 0, "true": 1, "no": 0, "yes": 1, "0.0": 0, "1.0": 1}


def check_columns(columns: Any, header: Sequence[str], where: str) -> None:
    """Refuse label columns that there are not, fewer than two, or one twice."""
    named = isinstance(columns, list | tuple) and all(isinstance(c, str) for c in columns)
    if not named or len(columns) < 2 or len(set(columns)) < len(columns):
        raise DataError(
            f"data.options.labels of {where} is a list of two or more columns, such as "
            f"[scratch, dent], but got {columns!r}"
            f"{'; did you mean `label`, one column of classes?' * isinstance(columns, str)}"
        )
    for column in columns:
        if column not in header:
            raise DataError(
                f"{where} has no column `{column}`{did_you_mean(column, header)} (it has: "
                f"{', '.join(header)})"
            )


def mark_of(word: str, column: str, where: str) -> int:
    """Return 0 or 1 for what stands in a label column."""
    if word.strip().lower() not in _MARKS:
        raise DataError(
            f"{where}: the column `{column}` holds `{word}`, and a column of `labels` holds 1 "
            "where the image has the label and 0 where not"
        )
    return _MARKS[word.strip().lower()]


def combined(rows: Sequence[tuple[int, ...]]) -> tuple[list[tuple[int, ...]], list[int]]:
    """Return the different rows, and for each image the place of its own: by this it is split."""
    kinds = sorted(set(rows))
    place = {row: i for i, row in enumerate(kinds)}
    return kinds, [place[row] for row in rows]


def check_marks(
    marks: NDArray[np.integer], parts: NDArray[np.integer], classes: Sequence[str], name: str
) -> None:
    """Refuse labels that no training image has, or that all have.

    Args:
        marks: 0 and 1, (N, classes). parts: the part of each image; 0 is for training.
        classes: the names of the labels. name: of the set.
    """
    own = marks[parts == 0]
    shares = own.mean(0) if len(own) else np.zeros(len(classes))
    for label, share in zip(classes, shares, strict=True):
        if share in (0, 1):
            how = "no training image" if share == 0 else "every training image"
            raise DataError(
                f"{how} of {name} has the label `{label}`, so that it cannot be learned; leave it "
                "out of `labels`, or add images"
            )


__all__ = ["check_columns", "check_marks", "combined", "mark_of"]
