"""What a report says and draws of the noise in a front's values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from plugnas.nas.confirm.outcome import Confirmed, read
from plugnas.nas.confirm.seconds import seconds_of_confirmation
from plugnas.nas.front.doubt import interval, interval_of, light
from plugnas.nas.front.member import Member
from plugnas.nas.front.metric import Metric
from plugnas.nas.machine.duration import spoken
from plugnas.nas.run.view import RunView


def light_steps(view: RunView) -> set[str]:
    """Return the ids of the front that are not told apart from the next cheaper; of a trade-off."""
    traded = len(view.objectives) == 2 and view.cost in view.objectives
    return light(view.front, view.metric) if traded else set()


def noise_text(view: RunView) -> str | None:
    """Return in one line how many steps of the front are noise, and what settles them."""
    steps, unsure = len(view.front) - 1, len(light_steps(view))
    if not unsure:
        return None
    images = view.front[0].images
    of = f" of {images} validation images" if images else " of the seeds"
    settle = _settling(view) if view.of_job else ""
    are = "is" if unsure == 1 else "are"
    return (
        f"{unsure} of {steps} step{'s' * (steps != 1)} of the front {are} "
        f"within the noise{of} (marked ~){settle}"
    )


def _settling(view: RunView) -> str:
    """Return the command that settles the steps, and what it takes; once it is run, what it says.

    Where it told no step apart, it would not if it were run again.
    """
    found = read(view)
    if found is not None and not found.missing:
        confirmed = found.by_id
        if all(m.id in confirmed for m in view.front):
            seeds = min(confirmed[m.id].n for m in view.front)
            told = f"{sum(p.distinguishable for p in found.pairs)} of {len(found.pairs)} pairs"
            return f"; `nas confirm` under {seeds} seeds tells {told} of the front apart"
    seconds = seconds_of_confirmation(view)
    took = "" if math.isnan(seconds) else f", about {spoken(seconds)}"
    return f"; `nas confirm {view.run.path}` settles them{took}"


def tested_bounds(found: Confirmed, metric: Metric) -> tuple[float, float]:
    """Return the 95 % interval of a confirmed value, NaN where it is not known."""
    known = interval_of(found.mean, metric, found.images, found.std, found.n, found.told)
    return known or (math.nan, math.nan)


def bounds(member: Member, metric: Metric) -> tuple[float, float]:
    """Return a value's 95 % interval, NaN where it is not known."""
    return interval(member, metric) or (math.nan, math.nan)


def draw_bars(axes: Any, points: Sequence[Any], colour: str) -> None:
    """Draw the intervals of points that have one as thin bars."""
    known = [p for p in points if math.isfinite(p.low)]
    if known:
        reach = [[p.value - p.low for p in known], [p.high - p.value for p in known]]
        axes.errorbar(
            [p.cost for p in known], [p.value for p in known], yerr=reach, fmt="none",
            ecolor=colour, alpha=0.35, elinewidth=1.2, capsize=2.5, zorder=3,
        )  # fmt: skip


__all__ = [
    "bounds",
    "draw_bars",
    "light_steps",
    "noise_text",
    "tested_bounds",
]
