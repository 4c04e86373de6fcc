"""What a user reads of a front: the best value within each limit, and when it was last bettered."""

from __future__ import annotations

from plugnas.nas.cost.quantity import short
from plugnas.nas.front.member import Member, newest_of
from plugnas.nas.run.view import RunView

SHARES = (0.25, 0.5, 1.0)
"""Of the budget, or of the dearest on the front, where the job names no limits."""


def limits_of(view: RunView) -> tuple[float, ...]:
    """Return the limits of the main cost, the smallest first: the job's, or shares of its budget.

    Empty where the run records no cost.
    """
    if view.cost not in view.costs or not view.front:
        return ()
    named = view.job_run.job.levels.get(view.cost) if view.of_job else None
    if named:
        return tuple(named)
    whole = view.budget.get(view.cost, max(m[view.cost] for m in view.front))
    return tuple(share * whole for share in SHARES)


def best_within(view: RunView) -> list[tuple[float, Member]]:
    """Return (limit, the best member within it) for each limit that something is within."""
    main, found = view.metric, []
    for limit in limits_of(view):
        inside = [m for m in view.front if m[view.cost] <= limit]
        if inside:
            found.append((limit, max(inside, key=lambda m: main.sign * m[main.name])))
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


__all__ = ["best_text", "best_within", "limits_of"]
