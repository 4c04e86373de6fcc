"""The progress display of a search: a bar on a terminal, sparse plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Column

from plugnas.nas.cli.pace import Pace
from plugnas.nas.front.member import newest_of
from plugnas.nas.run.view import RunView
from plugnas.nas.study.drive import Event
from plugnas.nas.study.study import Study

LINES = 20
"""Plain lines for a whole run, however long it takes."""

MINUTE = 60
"""Seconds without a plain line that bring another, so that a long training is seen to go on."""


class Progress:
    """A listener for ``drive`` that shows how far the search is; a context that leaves no bar.

    Args:
        console: where it is shown; standard error by default.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = Console(stderr=True) if console is None else console
        self._bar: Bar | None = None
        self._pace = Pace(0)
        self._shown = -1
        self._shown_at = float("-inf")
        self._measured = -1
        self._again_at = float("-inf")
        self._texts: list[str] = []

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end_bar()

    def __call__(self, event: Event) -> None:
        """Show an event, if it is time to."""
        if event.kind == "begin":
            self._pace = Pace(event.study.finished)
        self._pace.tell(event.study.finished, event.seconds)
        if event.kind == "measured":
            return  # the tick that follows says what runs by then
        now = time.monotonic()
        if self._console.is_interactive:
            if event.kind in ("begin", "end") or now - self._shown_at >= 0.1:
                self._shown_at = now
                self._show_bar(event)
            if event.kind == "end":
                self._end_bar()
        elif self._due(event, now):
            self._shown, self._shown_at = event.study.finished, now
            print(self.line(event), file=self._console.file, flush=True)

    def line(self, event: Event) -> str:
        """Return the state of the search in one line."""
        study = event.study
        parts = [f"{study.finished}/{study.trials} trials", f"{event.running} running"]
        refused = study.sampler.refused
        if study.problem.budget and refused is not None:
            parts.append(f"{refused} refused by budget")
        failures = sum(not m.ok for m in study.measurements)
        if failures:
            parts.append(f"{failures} failed")
        parts += self._quality(study, last=event.kind == "end")
        if event.kind == "end":
            parts.append(f"in {_clock(event.seconds)}")
        elif (left := self._left(event)) is not None:
            parts.append(f"{_clock(left)} left")
        return "  ".join(parts)

    def _quality(self, study: Study, *, last: bool) -> list[str]:
        """Return the best of the main objective and the front; worked out when they are new.

        Both are of the last rung alone: values of different rungs never meet.
        """
        begun = time.monotonic()
        due = last or begun >= self._again_at
        if due and self._measured != len(study.measurements):
            self._measured = len(study.measurements)
            view = RunView.under_way(study)
            best, name = view.best, view.metric.name
            self._texts = []
            if best is not None:
                newest = newest_of(view.front)
                of = f" of {len(view.members)} at the last rung" if study.top_rung else ""
                self._texts = [
                    f"best {name} {best[name]:.4g}",
                    f"front {len(view.front)}{of}, last better at trial {newest}",
                ]
            elif study.top_rung and study.measurements:
                self._texts = [f"none at rung {study.top_rung + 1} yet"]
            # of very many measurements it takes a while, and must not hold the search up
            self._again_at = time.monotonic() + 20 * (time.monotonic() - begun)
        return self._texts

    def _left(self, event: Event) -> float | None:
        """Return the seconds left at the pace of the last trials, or None before there is one."""
        by_clock = None if event.timeout is None else max(0.0, event.timeout - event.seconds)
        by_pace = self._pace.left(event.study.trials, event.seconds)
        known = [s for s in (by_clock, by_pace) if s is not None]
        return min(known, default=None)

    def _due(self, event: Event, now: float) -> bool:
        if event.kind in ("begin", "end") or now - self._shown_at >= MINUTE:
            return True
        return event.study.finished >= self._shown + max(1, event.study.trials // LINES)

    def _show_bar(self, event: Event) -> None:
        if self._bar is None:
            text = TextColumn(
                "{task.description}", markup=False,
                table_column=Column(no_wrap=True, overflow="ellipsis"),
            )  # fmt: skip
            self._bar = Bar(
                BarColumn(bar_width=20), text, console=self._console, auto_refresh=False
            )
            self._bar.add_task("")
            self._bar.start()
        study, task = event.study, self._bar.task_ids[0]
        self._bar.update(
            task, completed=study.finished, total=study.trials, description=self.line(event)
        )
        self._bar.refresh()

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _clock(seconds: float) -> str:
    """Return seconds as 0:07, 12:30, 3:02:11 or 12 days."""
    if seconds >= 100 * 3600:
        days = round(seconds / 86400)
        return f"{days} days" if days < 1000 else "years"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


__all__ = ["Progress"]
