"""What a run directory tells about its run, while it is driven or afterwards. Only reads."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plugnas.modules import PlugnasError, did_you_mean
from plugnas.nas.ledger.ledger import Contents, read
from plugnas.nas.ledger.lock import holder
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.run.summary import Summary, summarise
from plugnas.space import Architecture

LEDGER = "ledger.jsonl"


class StatusError(PlugnasError):
    """A directory in which no run has begun."""


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
    summary: Summary


def status(run_dir: str | Path) -> Status:
    """Read a run directory. Raises StatusError where there is no ledger, LedgerError for damage."""
    run_dir = Path(run_dir)
    path = run_dir / LEDGER
    if not path.exists() and not (run_dir / "job.yaml").exists():
        near = [p.parent.name for p in run_dir.parent.glob(f"*/{LEDGER}")]
        hint = "" if run_dir.is_dir() else did_you_mean(run_dir.name, near)
        raise StatusError(
            f"a run directory holds a {LEDGER}, but {run_dir} has none: no search has begun "
            f"there{hint}"
        )
    contents = read(path) if path.exists() else Contents()  # begun, and nothing is measured yet
    about: dict[str, Any] = {}
    for header in contents.headers:
        about.update(header)
    objectives = about.get("objectives", {"accuracy": "max"})
    slots = {name: entry.get("slot") for name, entry in about.get("parameters", {}).items()}
    summary = summarise(recorded(contents.records), objectives, about.get("budget", {}), slots)
    seconds = _driven(contents)
    last = max((record.get("time", 0.0) for record in contents.records), default=None)
    return Status(
        run_dir=str(run_dir),
        driver=holder(run_dir),
        trials=about.get("trials"),
        sessions=len(contents.headers),
        seconds=seconds,
        rate=60 * len(contents.records) / seconds if seconds > 0 else 0.0,
        since_last=None if last is None else time.time() - last,
        objectives=objectives,
        summary=summary,
    )


def recorded(records: Sequence[Mapping[str, Any]]) -> list[Measurement]:
    """Return a ledger's records as measurements, without the space they were made in."""
    return [
        Measurement.from_dict(record, Architecture(record["architecture"]["values"]))
        for record in records
    ]


def _driven(contents: Contents) -> float:
    """Return how long the run was driven: each session from its header to its last record."""
    starts = [float(header.get("time", 0.0)) for header in contents.headers]
    ends = [*starts[1:], float("inf")][: len(starts)]
    total = 0.0
    times = [float(record.get("time", 0.0)) for record in contents.records]
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
        driver = "nobody drives it now"
    else:
        driver = f"driven by process {state.driver.get('pid')} on {state.driver.get('host')}"
    total = "" if state.trials is None else f" of {state.trials}"
    lines = [
        f"{state.run_dir}: {driver}",
        f"{summary.tried}{total} architectures tried, {summary.measurements} measurements in "
        f"{state.sessions} session{'s' * (state.sessions != 1)}, {state.rate:.1f} a minute",
    ]
    if state.since_last is not None:
        lines.append(f"the last measurement was {state.since_last:.0f} s ago")
    if summary.best is not None:
        volume = "" if summary.hypervolume is None else f", hypervolume {summary.hypervolume:.3f}"
        lines.append(f"best {summary.best[0]} {summary.best[1]:.4g}{volume}")
    if summary.reasons:
        listed = ", ".join(f"{count} {reason}" for reason, count in summary.reasons.items())
        lines.append(f"failed measurements: {listed}; given up: {summary.failed} architectures")
    lines += [f"fails every time: {culprit}" for culprit in summary.culprits]
    lines.append(f"front so far: {len(summary.front)} architectures")
    for member in summary.front:
        values = "  ".join(f"{name} {member[name]:.6g}" for name in state.objectives)
        lines.append(f"  {member.id}  {values}")
    return "\n".join(lines)


__all__ = ["Status", "StatusError", "as_dict", "as_text", "recorded", "status"]
