"""The picture of a front. The only file that imports matplotlib."""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from plugnas.nas.front.metric import Metric
from plugnas.nas.report.labels import Box, around, places
from plugnas.nas.report.marks import Point, draw_confirmed, draw_controls, legend_columns, scatter
from plugnas.nas.report.noise import draw_bars

# Okabe and Ito's colours: told apart with every kind of colour vision. Shapes and dashes say the
# same again, for print without colour.
BLUE, ORANGE, RED, GREY, INK = "#0072B2", "#E69F00", "#D55E00", "#8A8F98", "#1B1F24"
LIGHT = "#99C7E0"  # blue, for steps that are within the noise
AXES = {
    "flops": "FLOPs (2 per multiply-add)",
    "macs": "multiply-adds",
    "params": "parameters",
    "memory": "peak activation memory (bytes)",
    "ram": "RAM: peak activation memory on the device (bytes)",
    "flash": "flash: weights on the device (bytes)",
    "latency_ms": "latency (ms)",
    "elementwise": "elementwise operations",
    "evaluation": "number of the evaluation",
}
LEVELS = (0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9999)


@dataclass(frozen=True)
class Picture:
    """All that a front's picture shows. ``confirmed`` maps an id to (mean, standard deviation) on
    the test set; ``cost`` names the horizontal axis and ``limit`` its budget, ``metric`` the
    vertical one; ``controls`` are what a host is held against, by name; ``light`` the ids of the
    front that are not told apart from the next cheaper; ``left_out`` counts more that were
    evaluated, where ``evaluated`` is a sample."""

    title: str
    caption: str
    cost: str
    metric: Metric
    evaluated: Sequence[Point]
    front: Sequence[Point]
    knee: Point | None = None
    limit: float | None = None
    confirmed: Mapping[str, tuple[float, float]] | None = None
    controls: Sequence[tuple[str, Point]] = ()
    light: Collection[str] = ()
    left_out: int = 0


def draw(picture: Picture, path: Path) -> None:
    """Write the picture as PNG (1760 x 1100 pixels)."""
    style: dict[str, Any] = {"font.family": "DejaVu Sans", "font.size": 11}
    with matplotlib.rc_context(style), warnings.catch_warnings():  # type: ignore[arg-type]
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a run may have any name
        figure = Figure(figsize=(11, 6.875), dpi=160, facecolor="white")
        canvas = FigureCanvasAgg(figure)
        axes = figure.add_axes((0.085, 0.135, 0.895, 0.745))
        write = partial(figure.text, 0.085, parse_math=False)  # a name may have dollars in it
        title = write(0.94, picture.title, fontsize=15, fontweight="bold", color=INK)
        wide = title.get_window_extent(canvas.get_renderer()).width  # type: ignore[no-untyped-call]
        title.set_fontsize(15 * min(1.0, 0.895 * figure.bbox.width / max(1.0, wide)))
        write(0.022, picture.caption, fontsize=9, color="#5A6068")
        if picture.evaluated:
            _scales(axes, picture)
            stairs = _points(axes, picture)
            columns = legend_columns(axes)
            _labels(axes, picture, stairs)
            axes.legend(
                loc="lower left", bbox_to_anchor=(-0.012, 1.0), ncols=columns, frameon=False,
                handletextpad=0.3, columnspacing=1.6, fontsize=10,
            )  # fmt: skip
        else:
            axes.set_axis_off()
            axes.text(0.5, 0.5, "nothing has finished the highest rung yet", ha="center",
                      fontsize=13, color="#5A6068", transform=axes.transAxes)  # fmt: skip
        figure.savefig(path, format="png", metadata={"Software": "plugnas"})


def _scales(axes: Axes, picture: Picture) -> None:
    costs = [c for c in (picture.limit or 0, *(p.cost for p in picture.evaluated)) if c > 0]
    if costs and max(costs) > 5 * min(costs):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: figure_text(value)))
    axes.set_xlabel(AXES.get(picture.cost, picture.cost), color=INK)
    metric = picture.metric
    axes.set_ylabel(metric.name, color=INK)
    shown = [p.value for p in (*picture.evaluated, *(p for _, p in picture.controls))]
    shown += [mean for mean, _ in (picture.confirmed or {}).values()]
    helps = metric.percent and error_floor(shown) is not None
    most = 1.0 if metric.percent else math.inf
    for mean, deviation in (picture.confirmed or {}).values():
        reach = deviation if math.isfinite(deviation) else 0.0
        # a bar that reaches 100 % has no end on an axis logarithmic in the error
        shown += [mean - reach, min(mean + reach, mean + 0.75 * (1 - mean) if helps else most)]
    floor = error_floor(shown) if helps else None
    low, high = _value_range(picture, shown)
    if floor is not None:
        axes.set_yscale(
            "function",
            functions=(
                lambda a: -np.log10(np.maximum(1 - np.asarray(a, float), floor)),
                lambda t: 1 - 10.0 ** -np.asarray(t, float),
            ),
        )
        top = 1 - (1 - high) / 1.5 if high < 1 - floor else 1 - floor
        low = 1 - (1 - low) * 1.15
        axes.set_ylim(low, top)
        ticks = [level for level in LEVELS if low <= level < min(high + (1 - high) / 3, 1 - floor)]
        axes.set_yticks([*ticks, 1 - floor] if max(shown) >= 1 - floor else ticks)
        axes.set_yticks([], minor=True)
        axes.yaxis.set_major_formatter(
            FuncFormatter(lambda v, _: "100 %" if v >= 1 - floor else f"{100 * v:g} %")
        )
        axes.set_ylabel(f"{metric.name} (the axis is logarithmic in the error)", color=INK)
    else:
        margin = 0.05 * (high - low or 0.1)
        axes.set_ylim(low - margin, high + 2 * margin)
        if metric.percent:
            axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * v:g} %"))
    axes.grid(color="#E4E7EB", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def error_floor(accuracies: Sequence[float]) -> float | None:
    """Return the least error a logarithmic axis shows, or None where a linear one serves better.

    It helps where the best are right nine times in ten and errors differ by a factor of five.
    """
    errors = [1 - a for a in accuracies if math.isfinite(a)]
    positive = [e for e in errors if e > 1e-9]
    if not positive or min(errors) > 0.1 or max(positive) < 5 * min(positive):
        return None
    return min(positive) / 2 if min(errors) <= 1e-9 else min(positive) / 4


def _value_range(picture: Picture, shown: Sequence[float]) -> tuple[float, float]:
    """From the best value to the worst twentieth, so that a few bad ones do not set the scale."""
    finite = np.array([a for a in shown if math.isfinite(a)])
    whole = [p.value for p in (*picture.front, *(p for _, p in picture.controls))]  # all of it
    sign = picture.metric.sign
    for mean, deviation in (picture.confirmed or {}).values():
        whole.append(mean - sign * (deviation if math.isfinite(deviation) else 0.0))
    if sign > 0:
        return min([float(np.quantile(finite, 0.05)), *whole]), float(finite.max())
    return float(finite.min()), max([float(np.quantile(finite, 0.95)), *whole])


def _points(axes: Axes, picture: Picture) -> list[Point]:
    """Draw everything but words; return the corners of the front's staircase."""
    on = {p.id for p in picture.front}
    others = [p for p in picture.evaluated if p.id not in on]
    low, high = axes.get_ylim()
    inside = [p for p in others if low <= p.value <= high]
    outside = [p for p in others if not low <= p.value <= high]
    drawn = f", {len(others)} drawn" if picture.left_out else ""
    scatter(axes, inside, "o", s=26, c="none", edgecolors=GREY, linewidths=1.1, zorder=2,
            label=f"evaluated ({len(others) + picture.left_out}{drawn})")  # fmt: skip
    if outside:
        end, marker, side = (low, "v", "below") if picture.metric.sign > 0 else (high, "^", "above")
        clipped = [Point(p.id, p.cost, end) for p in outside]
        scatter(axes, clipped, marker, s=26, c=GREY, clip_on=False, zorder=2,
                 label=f"{side} the axis ({len(outside)})")  # fmt: skip
    stairs = _staircase(axes, picture)
    draw_bars(axes, picture.front, BLUE)
    light = [p for p in picture.front if p.id in picture.light]
    sure = [p for p in picture.front if p.id not in picture.light]
    for points, colour, what in ((sure, BLUE, "front"), (light, LIGHT, "front, within the noise")):
        scatter(axes, points, "o", s=62, c=colour, edgecolors="white", linewidths=1.2, zorder=5,
                label=f"{what} ({len(points)})")  # fmt: skip
    if picture.knee is not None:
        scatter(axes, [picture.knee], "D", s=120, c=ORANGE, edgecolors=INK, linewidths=1.4,
                 zorder=6, label="knee")  # fmt: skip
    most = 1.0 if picture.metric.percent else math.inf  # no bar reaches above 100 %
    draw_confirmed(axes, _confirmed_rows(picture), most)
    draw_controls(axes, picture.controls, on)
    if picture.limit is not None:
        left, right = axes.get_xlim()
        unit = " ms" if picture.cost == "latency_ms" else ""
        axes.axvline(picture.limit, color=RED, linestyle=(0, (5, 3)), linewidth=1.6, zorder=3,
                     label=f"budget {figure_text(picture.limit)}{unit}")  # fmt: skip
        log = axes.get_xscale() == "log"
        beyond = 0.15 * picture.limit if log else 0.08 * max(picture.limit - left, 0)
        right = max(right, picture.limit + beyond)
        axes.axvspan(picture.limit, right, facecolor="none", edgecolor=RED, alpha=0.25, hatch="//",
                     linewidth=0)  # fmt: skip
        axes.set_xlim(left, right)
    return stairs


def _staircase(axes: Axes, picture: Picture) -> list[Point]:
    """Draw the best value within each cost, which the front offers; return its corners."""
    metric, steps = picture.metric, list[Point]()
    for point in sorted(picture.front, key=lambda p: (p.cost, -metric.sign * p.value)):
        if not steps or metric.better(point.value, steps[-1].value):
            steps.append(point)
    if not steps:
        return []
    end = max(picture.limit or 0, *[p.cost for p in picture.evaluated])
    steps.append(Point("", end, steps[-1].value))
    for before, step, after in zip([steps[0], *steps], steps, steps[1:], strict=False):
        colour = LIGHT if step.id in picture.light else BLUE
        x, y = [step.cost, step.cost, after.cost], [before.value, step.value, step.value]
        axes.plot(x, y, color=colour, linewidth=1.8, zorder=4)
    return steps


def _confirmed_rows(picture: Picture) -> list[tuple[float, float, float]]:
    """Return (cost, mean, reach of the error bar) of what was confirmed and is in the picture."""
    where = {p.id: p.cost for p in picture.evaluated}
    found = (picture.confirmed or {}).items()
    return [(where[i], m, d if math.isfinite(d) else 0.0) for i, (m, d) in found if i in where]


def _labels(axes: Axes, picture: Picture, stairs: Sequence[Point]) -> None:
    """Write value and id beside the knee, the ends, and whatever else leaves room."""
    first = [picture.knee, *picture.front[-1:], *picture.front[:1]]
    order = {p.id: p for p in (*first, *picture.front) if p is not None}
    named = {p.id: name for name, p in picture.controls}
    texts = [
        axes.annotate(
            f"{picture.metric.text(p.value)}\n{named.get(p.id, p.id[:6])}", (p.cost, p.value),
            xycoords="figure pixels", fontsize=8.5, linespacing=1.1, color=INK, zorder=8,
            va="bottom", annotation_clip=False,
        )
        for p in order.values()
    ]  # fmt: skip
    sizes = [(box.width + 6, box.height + 2) for box in (t.get_window_extent() for t in texts)]
    knee = picture.knee.id if picture.knee else None
    markers = [around(*_pixel(axes, p), 15 if p.id == knee else 9) for p in order.values()]
    left, bottom, right, top = map(float, axes.get_window_extent().extents)
    area = (left, bottom, right, top)
    found = places(markers, sizes, _obstacles(axes, picture, stairs), area)
    for text, marker, box in zip(texts, markers, found, strict=True):
        if box is None:
            text.remove()
            continue
        beside = box[2] <= marker[0]
        text.set_horizontalalignment("right" if beside else "left")
        text.xy = (box[2] - 3 if beside else box[0] + 3, box[1] + 1)
        text.set_position(text.xy)


def _obstacles(axes: Axes, picture: Picture, stairs: Sequence[Point]) -> list[Box]:
    """Return the boxes of all that a label may not hide, in pixels."""
    boxes = [around(x, y, 7) for x, y in _pixels(axes, picture.evaluated)]
    pixel = partial(_pixel, axes)
    for before, after in pairwise(stairs):
        (x0, y0), (x1, y1) = pixel(before), pixel(after)
        boxes += [(x0, y0 - 2, x1, y0 + 2), (x1 - 2, min(y0, y1), x1 + 2, max(y0, y1))]
    for cost, mean, reach in _confirmed_rows(picture):
        low, high = (pixel(Point("", cost, a)) for a in (mean - reach, mean + reach))
        boxes.append((low[0] - 9, low[1] - 4, high[0] + 9, high[1] + 4))
        boxes.append(around(*pixel(Point("", cost, mean)), 8))
    if picture.limit is not None:
        x, _ = pixel(Point("", picture.limit, picture.evaluated[0].value))
        boxes.append((x - 2, 0.0, x + 2, axes.get_window_extent().y1))
    return boxes


def _pixel(axes: Axes, point: Point) -> tuple[float, float]:
    return _pixels(axes, [point])[0]


def _pixels(axes: Axes, points: Sequence[Point]) -> list[tuple[float, float]]:
    """Return where points are drawn; what lies outside the axis stands at its end."""
    places = np.array([(p.cost, p.value) for p in points]).reshape(-1, 2)
    places[:, 1] = places[:, 1].clip(*axes.get_ylim())
    return list(map(tuple, axes.transData.transform(places).tolist()))


def figure_text(value: float) -> str:
    """Write 1200000 as ``1.2M``."""
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:g}{suffix}"
    return f"{value:g}"


__all__ = ["Picture", "Point", "draw", "error_floor", "figure_text"]
