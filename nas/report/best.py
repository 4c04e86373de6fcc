"""What a user reads of a front: the best value within each limit, and when it was last bettered."""

from __future__ import annotations

import math

from plugnas.nas.cost.quantity import short
from plugnas.nas.front import pick as picks
from plugnas.nas.front.member import Member, newest_of
from plugnas.nas.run.view import RunView


def best_within(view: RunView) -> list[tuple[float, Member]]:
    """Return (limit, the best of the front within it), the smallest limit first.

    The limits are those that the job names, or steps of the main cost (1, 2, 5, 10, ...) up to the
    budget; such as nothing is within are left out. Empty where no cost is known.
    """
    if view.cost not in view.costs:
        return []
    named = view.job_run.job.levels.get(view.cost) if view.of_job else None
    if not named:
        steps = picks.best_within_steps(view.front, view.cost, view.metric)
        most = view.budget.get(view.cost, math.inf)
        return [(min(limit, most), member) for limit, member in steps]
    metric, found = view.metric, []
    for limit in named:
        inside = [m for m in view.front if m[view.cost] <= limit]
        if inside:
            found.append((limit, max(inside, key=lambda m: metric.sign * m[metric.name])))
    return found


def best_text(view: RunView) -> str | None:
    """Return the best value within each limit with the trial that brought it, in a sentence."""
    if not view.front:
        return None
    metric = view.metric
    told = [
        f"{metric.text(m[metric.name])} within {short(limit)} (trial {min(m.numbers) + 1})"
        for limit, m in best_within(view)
    ]
    last = f"the front was last better at trial {newest_of(view.front)}"
    if not told:
        return last
    return f"best {metric.name} by {view.cost}: {', '.join(told)}; {last}"


__all__ = ["best_text", "best_within"]
