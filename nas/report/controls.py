"""What a host is compared with in every report: the host unchanged, and placebos."""

from __future__ import annotations

from collections.abc import Sequence

from plugnas.nas.cost.quantity import short
from plugnas.nas.explain.settle import settled
from plugnas.nas.front import member as fronts
from plugnas.nas.front.doubt import interval, range_text
from plugnas.nas.front.member import Member
from plugnas.nas.run.view import RunView
from plugnas.space.placebo import PLACEBO
from plugnas.space.training import chosen_of, text_of

HOST = "host"
Named = tuple[str, Member]


def controls(view: RunView) -> list[Named]:
    """Return the host unchanged and the placebos that were measured at the highest rung, by name.

    Placebos are those of ``nas explain --settle``, or of a search that offers them.
    """
    if view.space.host is None:
        return []
    unchanged = {a.id for a in view.controls}
    found = [(HOST, m) for m in view.members if m.id in unchanged]
    others = [*view.members, *fronts.members(settled(view), view.top_rung)]
    placebos = {m.id: m for m in others if PLACEBO in m.architecture.values.values()}
    return found + [(PLACEBO, m) for m in placebos.values()]


def lines(view: RunView, columns: Sequence[str]) -> list[str]:
    """Return the controls as lines of a front's table, without what follows the figures."""
    metric, told = view.metric, []
    for name, m in controls(view):
        value = f"{metric.text(m[metric.name])} {range_text(interval(m, metric), metric)}".rstrip()
        costs = ", ".join(f"{c} {short(m[c])}" for c in columns if c in m.costs)
        own = text_of(chosen_of(view.space, m.architecture.values))
        how = f"trained with {own}" if own else "same training"
        word = f"{'the host unchanged' if name == HOST else 'placebo'}, {how}"
        told.append(f"{name}: {value} at {costs} ({word}, {m.n} seed{'s' * (m.n != 1)}, {m.id})")
    return told


__all__ = ["HOST", "controls", "lines"]
