"""The files that a front leaves in its run's directory."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from plugnas.nas.front import pick as picks
from plugnas.nas.front.member import Member, newest_of
from plugnas.nas.machine.files import write_text, write_whole
from plugnas.nas.machine.writable import PlaceError, unwritable
from plugnas.nas.report.controls import controls
from plugnas.nas.report.data import abscissa, place_of, sample
from plugnas.nas.report.front import confirmed_of, to_csv, value_note
from plugnas.nas.report.noise import bounds, light_steps
from plugnas.nas.report.page import page
from plugnas.nas.report.picture import Picture, Point, draw
from plugnas.nas.run.latency import latency_note
from plugnas.nas.run.view import RunView

MOST = 5000
"""Networks in the picture; of more, dominated ones are drawn at random."""


def write_files(view: RunView, control: RunView | None = None) -> list[Path]:
    """Write front.csv, front.png and report.html into the run's directory; return their paths.

    Each file is replaced whole, so that a reader never meets half of one. ``control`` is a random
    search of the same job, shown beside this one.
    """
    folder = view.run.path
    if (reason := unwritable(folder)) is not None:
        raise PlaceError(
            f"front.csv, front.png and report.html go to {folder}, but {reason}; --json and --csv "
            "print the front and write nothing"
        )
    written = [write_text(folder / "front.csv", to_csv(view))]
    written.append(write_whole(folder / "front.png", lambda p: draw(picture(view), p)))
    text = page(view, control)
    written.append(write_text(folder / "report.html", text))
    return written


def picture(view: RunView) -> Picture:
    """Return what the front's picture shows."""
    cost, main = abscissa(view), view.metric.name

    def place(member: Member) -> Point:
        return Point(member.id, place_of(member, cost), member[main])

    def point(member: Member) -> Point:
        low, high = bounds(member, view.metric)
        return replace(place(member), low=low, high=high)

    sound = [m for m in view.members if math.isfinite(m[main] + place_of(m, cost))]
    shown = sample(sound, view, MOST)
    device = view.run.told.get("device")
    knee = point(picks.knee(view.front, view.objectives)) if view.front else None
    return Picture(
        title=f"{view.run.path.resolve().name}: {_headline(view)}",
        caption=value_note(view)
        + ("" if not view.front else f"   ·   last better at trial {newest_of(view.front)}")
        + (f"   ·   device {device}" if device else "")
        + "   ·   knee: costs on a logarithmic scale; bars: 95 % intervals"
        + _doubt(view, cost),
        cost=cost,
        metric=view.metric,
        evaluated=[place(m) for m in shown],
        front=[point(m) for m in view.front],
        knee=knee,
        limit=view.budget.get(cost),
        confirmed=_confirmed(view, {m.id for m in shown}),
        controls=[(n, point(m)) for n, m in controls(view) if math.isfinite(m[main])],
        light=light_steps(view),
        left_out=len(sound) - len(shown),
    )


def _headline(view: RunView) -> str:
    count = len(view.front)
    if count == 0:
        return f"nothing on the front, of {len(view.members)} evaluated"
    which = "1 network" if count == 1 else f"{count} networks"
    return f"{which} not dominated by any other, of {len(view.members)} evaluated"


def _doubt(view: RunView, cost: str) -> str:
    note = latency_note(view.run) if cost == "latency_ms" else None
    return "" if note is None or note.ranked else "   ·   latency NOT RANKED"


def _confirmed(view: RunView, shown: set[str]) -> dict[str, tuple[float, float]]:
    """Test values of what is in the picture; the random control is not."""
    return {m.id: (m.mean, m.std) for m in confirmed_of(view).values() if m.id in shown}


__all__ = ["picture", "write_files"]
