"""Several labels for each image: columns of 0 and 1 in a CSV file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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


__all__ = ["check_columns", "combined", "mark_of"]
