"""A table as plain text: each column as wide as its widest cell."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDE = 100_000  # a table is never cut to the terminal: a pipe or a file has no width


def text_table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    align: str = "",
    least: Sequence[int] = (),
) -> list[str]:
    """Return a table as lines without colour, frame or spaces at their ends.

    Args:
        head: the columns' names.
        rows: as many cells each as there are columns.
        align: ``l`` or ``r`` for each column; those that it does not reach are ``l``.
        least: the smallest width of each column, from the first on.
    """
    table = Table(box=None, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    for number, name in enumerate(head):
        justify: Literal["left", "right"] = "right" if align[number : number + 1] == "r" else "left"
        width = least[number] if number < len(least) else None
        table.add_column(Text(name), justify=justify, min_width=width, no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    stream = io.StringIO()
    Console(file=stream, width=_WIDE, color_system=None).print(table)
    return [line.rstrip() for line in stream.getvalue().splitlines()]


__all__ = ["text_table"]
