"""The picture of the table of modules: every effect as a dot with its interval, slot by slot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from evidence_model import Effect, certain
from evidence_source import REFERENCES
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from evidence_page import Kind

# Okabe and Ito's colours, told apart with every kind of colour vision; shapes say the same again
INK, GREY, PALE = "#1B1F24", "#8A8F98", "#E4E7EB"
PAYS, HARMS = "#0072B2", "#D55E00"
MARKS = {
    "digits": ("#E69F00", "o"),
    "cifar10": ("#009E73", "s"),
    "signs": ("#56B4E9", "^"),
    "steel": ("#CC79A7", "D"),
}
NAMES = {
    "digits": "digits",
    "cifar10": "CIFAR-10",
    "signs": "hand signs",
    "steel": "steel defects",
}
LEFT = ("attention", "context")
GAP = 4  # rows between slots
AT = 0.8
"""The accuracy at which effects are told in points."""

TICKS = (-40, -30, -20, -10, 0, 10)
REACH = (-1.9, 1.3)  # log odds; what lies outside stands at the end
ROW = 0.185  # inches


def draw(kinds: Sequence[Kind], path: Path) -> None:
    """Write the picture as PNG: for each slot a panel of each kind, side by side."""
    slots = list(dict.fromkeys(slot for k in kinds for slot in k.slots))
    columns = [[s for s in slots if (s in LEFT) is is_left] for is_left in (True, False)]
    heights = [[len(_keys(kinds, s)) for s in column] for column in columns]
    tall = max(sum(h + GAP for h in column) for column in heights) * ROW + 1.3
    with matplotlib.rc_context({"font.family": "DejaVu Sans", "font.size": 9}):
        figure = Figure(figsize=(15.5, tall), dpi=100, facecolor="white")
        FigureCanvasAgg(figure)
        for x, column, rows in zip((0.09, 0.595), columns, heights, strict=True):
            top = 1 - 1.45 / tall
            for slot, count in zip(column, rows, strict=True):
                high = count * ROW / tall
                _slot(figure, (x, top - high, 0.4, high), kinds, slot)
                top -= high + GAP * ROW / tall
        _words(figure, tall)
        figure.savefig(path, format="png", metadata={"Software": "plugnas"})


def _keys(kinds: Sequence[Kind], slot: str) -> list[str]:
    """Return the modules of a slot, the best first."""
    own = [k.slots[slot].modules for k in kinds if slot in k.slots]
    known = dict.fromkeys(key for modules in own for key in modules)
    return sorted(known, key=lambda key: rank(slot, kinds, key))


def rank(slot: str, kinds: Sequence[Kind], key: str) -> float:
    """Return the mean of a module's effects over the kinds in which it was tried."""
    own = [k.slots[slot].modules for k in kinds if slot in k.slots]
    return float(np.mean([modules[key].effect for modules in own if key in modules]))


def _slot(
    figure: Figure, box: tuple[float, float, float, float], kinds: Sequence[Kind], slot: str
) -> None:
    """Draw one slot: modules down the left, the best on top, and a panel for each kind.

    Args:
        figure: where.
        box: left, bottom, width and height of all panels, as shares of the figure.
        kinds: in backbones, in hosts.
        slot: the slot.
    """
    keys = _keys(kinds, slot)
    left, bottom, width, height = box
    each = width / len(kinds) - 0.006
    for number, kind in enumerate(kinds):
        if slot not in kind.slots:
            continue
        at = (left + number * (each + 0.012), bottom, each, height)
        axes = figure.add_axes(at)
        _frame(axes, len(keys), [] if number else keys)
        axes.set_title(
            f"{slot} in a {kind.name}, against {REFERENCES[kind.name][slot]}",
            loc="left", fontsize=10, fontweight="bold", color=INK,
        )  # fmt: skip
        modules = kind.slots[slot].modules
        sure = certain(kind.slots[slot])
        for row, key in enumerate(keys):
            if key in modules:
                _module(axes, row, modules[key], "full" if key in sure else "none")


def _frame(axes: Axes, count: int, names: Sequence[str]) -> None:
    axes.set_xlim(*REACH)
    axes.set_ylim(-0.6, count - 0.4)
    odds = np.log(AT / (1 - AT))
    places = [np.log((AT + t / 100) / (1 - AT - t / 100)) - odds for t in TICKS]
    axes.set_xticks(places, [f"{t:+d}" if t else "0" for t in TICKS])
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.tick_params(length=0, colors=INK)
    axes.grid(axis="x", color=PALE, linewidth=0.8)
    axes.axvline(0, color=GREY, linewidth=1.2, zorder=1)
    for row in range(0, count, 2):
        axes.axhspan(row - 0.5, row + 0.5, color="#F6F7F9", zorder=0)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)


def _module(axes: Axes, row: int, e: Effect, fill: str) -> None:
    """Draw a module: small marks for data sets, a dot with its interval for all of them."""
    for name, (effect, *_) in e.each.items():
        colour, shape = MARKS[name]
        axes.scatter(np.clip(effect, *REACH), row, s=15, c=colour, marker=shape, alpha=0.8,
                     linewidths=0, zorder=2)  # fmt: skip
    colour = PAYS if e.low > 0 else HARMS if e.high < 0 else INK
    ends = np.clip([e.low, e.high], *REACH)
    axes.plot(ends, [row, row], color=colour, linewidth=1.6, zorder=3, solid_capstyle="butt")
    axes.scatter(np.clip(e.effect, *REACH), row, s=32, zorder=4, linewidths=1.4,
                 edgecolors=colour, c=colour if fill == "full" else "white")  # fmt: skip


def _words(figure: Figure, tall: float) -> None:
    """Write title, legend and how to read it."""
    write: Any = figure.text
    top = 1 - 0.36 / tall
    write(0.02, top, "What each module of the zoo is worth", fontsize=16, fontweight="bold",
          color=INK)  # fmt: skip
    write(
        0.02, top - 0.27 / tall, fontsize=9.5, color="#5A6068",
        s="Change of the accuracy in points, at an accuracy of 80 %, with its 95 % interval, over "
        "four data sets; in a backbone at equal FLOPs, in a host as it is.",
    )  # fmt: skip
    axes = figure.add_axes((0.02, top - 0.62 / tall, 0.96, 0.28 / tall))
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 1)
    axes.set_axis_off()
    entries: list[tuple[str, str, str, str]] = [
        (c, c, shape, NAMES[n]) for n, (c, shape) in MARKS.items()
    ]
    entries += [
        (INK, "white", "o", "all: not shown"),
        (PAYS, "white", "o", "pays"),
        (HARMS, "white", "o", "does harm"),
        (INK, INK, "o", "filled: also after correction for the number of modules"),
    ]
    x = 0.5
    for edge, face, shape, text in entries:
        axes.scatter(x, 0.5, s=34, c=face, edgecolors=edge, marker=shape, linewidths=1.4)
        axes.text(x + 0.9, 0.47, text, va="center", color=INK, fontsize=9.5)
        x += 3.2 + 0.72 * len(text)


__all__ = ["draw"]
