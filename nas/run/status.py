"""What a run directory tells about its run, while it is searched or afterwards. Only reads."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plugnas.nas.cost.quantity import short
from plugnas.nas.front.doubt import interval, range_text
from plugnas.nas.front.member import Member, main_of, newest_of
from plugnas.nas.front.metric import Metric
from plugnas.nas.ledger.lines import Contents
from plugnas.nas.ledger.lock import holder
from plugnas.nas.machine.table import text_table
from plugnas.nas.run.figures import Figures
from plugnas.nas.run.python_run import read_figures
from plugnas.nas.run.summary import Summary


@dataclass(frozen=True)
class Status:
    """A run at one moment. Times in seconds; ``rate`` is measurements a minute while driven."""

    run_dir: str
    driver: Mapping[str, Any] | None
    trials: int | None
    sessions: int
    seconds: float
    rate: float
    since_last: float | None
    objectives: Mapping[str, str]
    misfits: int
    left_out: str | None
    summary: Summary


def status(run_dir: str | Path) -> Status:
    """Read a run directory.

    Raises:
        RunError: no run has begun there. LedgerError: its ledger is damaged.
    """
    figures = Figures.read(read_figures(run_dir))
    contents = figures.contents
    seconds = _driven(contents)
    last = max((record.time for record in contents.records), default=None)
    return Status(
        run_dir=str(run_dir),
        driver=holder(run_dir),
        trials=next((h["trials"] for h in reversed(contents.headers) if "trials" in h), None),
        sessions=len(contents.headers),
        seconds=seconds,
        rate=60 * len(contents.records) / seconds if seconds > 0 else 0.0,
        since_last=None if last is None else max(0.0, time.time() - last),  # clocks jump
        objectives=figures.run.objectives,
        misfits=len(figures.fitted.misfits),
        left_out=figures.fitted.left_out,
        summary=figures.summary,
    )


def _driven(contents: Contents) -> float:
    """Return how long the run was driven: each session from its header to its last record."""
    starts = [float(header.get("time", 0.0)) for header in contents.headers]
    ends = [*starts[1:], float("inf")][: len(starts)]
    total = 0.0
    times = [record.time for record in contents.records]
    for start, end in zip(starts, ends, strict=True):
        inside = [moment for moment in times if start <= moment < end]
        total += max(inside, default=start) - start
    return total


def as_dict(state: Status) -> dict[str, Any]:
    """Return a status as plain JSON data."""
    summary = state.summary
    return {
        "run_dir": state.run_dir,
        "driver": state.driver,
        "trials": state.trials,
        "tried": summary.tried,
        "failed": summary.failed,
        "measurements": summary.measurements,
        "misfits": state.misfits,
        "sessions": state.sessions,
        "seconds": round(state.seconds, 3),
        "rate_per_minute": round(state.rate, 3),
        "seconds_since_last": state.since_last,
        "objectives": dict(state.objectives),
        "best": None if summary.best is None else dict([summary.best]),
        "hypervolume": summary.hypervolume,
        "reasons": dict(summary.reasons),
        "culprits": list(summary.culprits),
        "front": [
            {"id": member.id, **{name: member[name] for name in state.objectives}}
            for member in summary.front
        ],
    }


def as_text(state: Status) -> str:
    """Return a status as lines for a reader."""
    summary = state.summary
    if state.driver is None:
        driver = "no search is running"
    else:
        driver = f"searched by process {state.driver.get('pid')} on {state.driver.get('host')}"
    total = "" if state.trials is None else f" of {state.trials}"
    lines = [
        f"{state.run_dir}: {driver}",
        f"{summary.tried}{total} architectures tried, {summary.measurements} measurements in "
        f"{state.sessions} session{'s' * (state.sessions != 1)}, {state.rate:.1f} a minute",
    ]
    if state.left_out is not None:
        lines.append(state.left_out)
    if state.since_last is not None:
        lines.append(f"the last measurement was {state.since_last:.0f} s ago")
    if summary.best is not None:
        lines.append(
            f"best {summary.best[0]} {summary.best[1]:.4g}; the front was last better at trial "
            f"{newest_of(summary.front)}"
        )
    if summary.reasons:
        listed = ", ".join(f"{count} {reason}" for reason, count in summary.reasons.items())
        lines.append(f"failed measurements: {listed}; given up: {summary.failed} architectures")
    lines += [f"fails every time: {culprit}" for culprit in summary.culprits]
    lines.append(f"front so far: {len(summary.front)} architectures")
    if summary.front:
        main = main_of(summary.front, state.objectives)
        rows = [[m.id, *(_cell(m, n, main) for n in state.objectives)] for m in summary.front]
        head = ["id", *state.objectives]
        lines += [f"  {line}" for line in text_table(head, rows, align="l" + "r" * len(head))]
    return "\n".join(lines)


def _cell(member: Member, name: str, main: Metric) -> str:
    """Return a value of a member; that of the main objective with its 95 % interval."""
    if name != main.name:
        return short(member[name])
    return f"{main.text(member[name])} {range_text(interval(member, main), main)}".rstrip()


__all__ = ["Status", "as_dict", "as_text", "status"]
