"""The display of long work before a search: a bar on a terminal, elsewhere a line a minute."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from plugnas.nas.machine.work import Work, heard_by

if TYPE_CHECKING:  # imported when there is something to show
    from rich.console import Console
    from rich.progress import Progress

PATIENCE = 2
"""Seconds of work of which nothing is shown."""

MINUTE = 60
"""Seconds between two plain lines, at least."""


class WorkDisplay:
    """A listener that shows how far work is.

    Args:
        console: where it is shown; standard error by default.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console
        self._bar: Progress | None = None
        self._begun: float | None = None
        self._shown_at = self._line_at = float("-inf")

    def __call__(self, work: Work) -> None:
        """Show the work, if it is time to."""
        now = time.monotonic()
        if work.over:
            self.close()
        elif self._begun is None:
            self._begun = now
        elif now - self._begun >= PATIENCE:
            self._show(work, now)

    def close(self) -> None:
        """Take the bar away, where there is one."""
        self._begun = None
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _show(self, work: Work, now: float) -> None:
        if self._console is None:
            from rich.console import Console

            self._console = Console(stderr=True)
        if not self._console.is_interactive:
            if now - self._line_at >= MINUTE:
                self._line_at = now
                print(_text(work), file=self._console.file, flush=True)
        elif self._bar is None or now - self._shown_at >= 0.1:
            self._shown_at = now
            self._show_bar(work, self._console)

    def _show_bar(self, work: Work, console: Console) -> None:
        if self._bar is None:
            from rich.progress import BarColumn, Progress, TextColumn

            self._bar = Progress(
                BarColumn(bar_width=20), TextColumn("{task.description}", markup=False),
                console=console, auto_refresh=False, transient=True,
            )  # fmt: skip
            self._bar.add_task("", total=work.total)
            self._bar.start()
        self._bar.update(self._bar.task_ids[0], completed=work.done, description=_text(work))
        self._bar.refresh()


def _text(work: Work) -> str:
    of = "" if work.total is None else f" of {work.total:,}"
    return f"{work.what}: {work.done:,}{of} images"


@contextlib.contextmanager
def work_shown() -> Iterator[None]:
    """Show long work while this is entered."""
    display = WorkDisplay()
    try:
        with heard_by(display):
            yield
    finally:
        display.close()


__all__ = ["WorkDisplay", "work_shown"]
