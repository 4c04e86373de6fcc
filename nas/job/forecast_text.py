"""A forecast in words and as JSON data."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from plugnas.nas.cost.quantity import short
from plugnas.nas.job.forecast import FRONT, Forecast
from plugnas.nas.machine.duration import spoken

_BUSY = 1.3


def as_text(found: Forecast, job: str) -> str:
    """Return a forecast as lines to read."""
    lines = [
        f"{job}: {found.trials:,} architectures take about {spoken(found.seconds)} with "
        f"{found.workers} worker{'s' * (found.workers != 1)}, {short(found.per_hour)} an hour"
    ]
    for number, rung in enumerate(found.rungs, start=1):
        once = f"; {spoken(rung.once)} once for all" if rung.once >= 1 else ""
        lines.append(
            f"rung {number}: {rung.mean:.3g} processor seconds each ({rung.least:.3g} to "
            f"{rung.most:.3g}), {rung.count:,} trainings{once}"
        )
    return "\n".join(
        [
            *lines,
            f"nas confirm: about {spoken(found.confirm)} for {FRONT} networks of the front and as "
            f"many random ones, {found.long.mean:.3g} processor seconds for each of "
            f"{found.long.count} long trainings",
            f"memory: at most {short(found.memory)}B for each worker, "
            f"{short(found.workers * found.memory)}B for all {found.workers}",
            _about(found),
        ]
    )


def _about(found: Forecast) -> str:
    """Return on what the figures rest, and what a busy machine makes of them."""
    text = (
        f"From a few steps of {found.networks} network{'s' * (found.networks != 1)}; "
        "`nas search` says the time left on its way."
    )
    if found.slow < _BUSY:
        return text
    alone = spoken(found.seconds - (found.slow - 1) * found.trainings)
    return (
        f"This machine is busy with other work: a worker gets {100 / found.slow:.0f} % of a "
        f"processor; with one to itself the search takes about {alone}. {text}"
    )


def as_dict(found: Forecast) -> dict[str, Any]:
    """Return a forecast as plain JSON data; documented in docs/json.md."""
    return {
        "trials": found.trials,
        "workers": found.workers,
        "seconds": found.seconds,
        "trials_an_hour": found.per_hour,
        "start_seconds": found.start,
        "slow": found.slow,
        "confirm_seconds": found.confirm,
        "memory_of_a_worker": found.memory,
        "rungs": [asdict(rung) for rung in found.rungs],
        "long": asdict(found.long),
    }


__all__ = ["as_dict", "as_text"]
