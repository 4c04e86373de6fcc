"""Marks of a front's picture: points, what was confirmed, and the controls of a host."""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any

GREEN, PURPLE, INK = "#009E73", "#CC79A7", "#1B1F24"  # Okabe and Ito's, as in the picture
_CONTROLS = {"host": ("P", GREEN), "placebo": ("X", PURPLE)}


@dataclass(frozen=True)
class Point:
    """One architecture in the picture: its name, cost, value of the main objective, interval."""

    id: str
    cost: float
    value: float
    low: float = math.nan
    high: float = math.nan


def legend_columns(axes: Any) -> int:
    """Return into how many columns the legend goes; where it needs two rows, make room for them."""
    entries = len(axes.get_legend_handles_labels()[1])
    if entries <= 5:
        return entries
    place = axes.get_position()
    axes.set_position((place.x0, place.y0, place.width, place.height - 0.035))
    return -(-entries // 2)


def scatter(axes: Any, points: Sequence[Point], marker: str, **style: Any) -> None:
    """Draw points, where there are any."""
    if points:
        axes.scatter([p.cost for p in points], [p.value for p in points], marker=marker, **style)


def draw_controls(axes: Any, named: Sequence[tuple[str, Point]], labelled: Container[str]) -> None:
    """Draw the host unchanged and placebos; names beside those whose ids have no label yet."""
    for name, (marker, colour) in _CONTROLS.items():
        own = [p for n, p in named if n == name]
        scatter(axes, own, marker, s=110, c=colour, edgecolors=INK, linewidths=1.2, zorder=7,
                label=name)  # fmt: skip
        for p in [p for p in own if p.id not in labelled][:1]:
            pixel = axes.transData.transform((p.cost, p.value))
            late = axes.transAxes.inverted().transform(pixel)[0] > 0.5
            axes.annotate(name, (p.cost, p.value), xytext=(-8 if late else 8, -13),
                          textcoords="offset points", ha="right" if late else "left",
                          fontsize=9, color=INK, zorder=8)  # fmt: skip


def draw_confirmed(axes: Any, rows: Sequence[tuple[float, float, float]], most: float) -> None:
    """Draw what was confirmed: (cost, mean, reach of the error bar), no bar above ``most``."""
    if not rows:
        return
    cost, mean, bars = zip(*rows, strict=True)
    above = [min(bar, most - m) for bar, m in zip(bars, mean, strict=True)]
    axes.errorbar(cost, mean, yerr=[bars, above], fmt="s", color=INK, markersize=5.5, capsize=4,
                  linewidth=1.4, markerfacecolor="white", zorder=7,
                  label=f"confirmed on test images, ± sd ({len(rows)})")  # fmt: skip


__all__ = ["Point", "draw_confirmed", "draw_controls", "scatter"]
