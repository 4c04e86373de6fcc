"""The picture: what it decides, and that what must be seen is in the pixels."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from plugnas.nas.front.metric import Metric
from plugnas.nas.report import picture as plot
from plugnas.nas.report.picture import (
    BLUE,
    LIGHT,
    ORANGE,
    RED,
    Picture,
    Point,
    draw,
    error_floor,
    figure_text,
)

ACCURACY = Metric("accuracy", "max", percent=True)


def points(accuracies, low=1e4, high=1e6):
    costs = np.geomspace(low, high, len(accuracies))
    return [
        Point(f"{i:012x}", float(c), a)
        for i, (c, a) in enumerate(zip(costs, accuracies, strict=True))
    ]


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def colours(path):
    packed = pixels(path).astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], dtype=np.uint32)
    return {f"#{colour:06X}" for colour in np.unique(packed)}


def picture(front, evaluated=(), **changes):
    first = Picture(
        "title", "caption", "flops", ACCURACY, [*front, *evaluated], front, front[1], 2e6
    )
    return Picture(**{**vars(first), **changes})


def test_everything_is_in_the_pixels(tmp_path):
    front = points([0.8, 0.9, 0.95, 0.99])
    other = points([0.3, 0.7, 0.85, 0.9])
    draw(picture(front, other), tmp_path / "front.png")
    assert pixels(tmp_path / "front.png").shape == (1100, 1760, 3)
    seen = colours(tmp_path / "front.png")
    assert {BLUE, ORANGE, RED} <= seen
    draw(picture(front, other, knee=None, limit=None), tmp_path / "bare.png")
    assert not {ORANGE, RED} & colours(tmp_path / "bare.png")


@pytest.mark.parametrize(
    "front",
    [points([0.5]), points([0.5, 0.5]), points([1.0, 1.0]), points([0.1, 0.1], 5.0, 5.0), []],
)
def test_degenerate_fronts_are_drawn(tmp_path, front):
    knee = front[0] if front else None
    draw(Picture("t", "c", "flops", ACCURACY, front, front, knee, None), tmp_path / "front.png")
    assert (tmp_path / "front.png").stat().st_size > 1000


@pytest.mark.parametrize("name", ["$bad^$x", "$a_b$ \\frac{1}", "注意 ü", "50 % <b>"])
def test_a_run_may_have_any_name(tmp_path, name):
    front = points([0.8, 0.9, 0.95, 0.99])
    draw(picture(front, title=name, caption=name), tmp_path / "front.png")
    assert pixels(tmp_path / "front.png").shape == (1100, 1760, 3)


def test_an_error_bar_alone_does_not_choose_the_axis(axes_of):
    """Nobody is right nine times in ten, though a bar reaches to 100 %."""
    front = points([0.5, 0.6, 0.7, 0.75])
    confirmed = {front[3].id: (0.85, 0.2)}
    (axes,) = axes_of(picture(front, confirmed=confirmed))
    assert axes.get_yscale() == "linear"
    assert axes.get_ylim()[1] >= 1.0
    assert axes.get_xscale() == "log"


def test_a_limit_far_away_makes_the_cost_axis_logarithmic(axes_of):
    near = points([0.5, 0.6, 0.7], 7e4, 1.7e5)
    assert axes_of(picture(near, limit=2e6))[0].get_xscale() == "log"
    assert axes_of(picture(near, limit=2e5))[0].get_xscale() == "linear"


def test_a_near_limit_leaves_the_width_to_the_networks(axes_of):
    """Defect: an axis from 81M went on to 98M because of a limit of 85M."""
    near = points([0.85, 0.86, 0.87], 8.11e7, 8.2e7)
    left, right = axes_of(picture(near, limit=8.52e7))[0].get_xlim()
    assert right - 8.52e7 < 0.15 * (right - left)


def test_a_long_name_stays_within_the_picture(axes_of):
    """Defect: the title of a record, with its date, ended beyond the edge."""
    (axes,) = axes_of(picture(points([0.5, 0.6]), title="2026-11-27_segment_camvid: " + 60 * "n"))
    figure = axes.figure
    right = figure.texts[0].get_window_extent(figure.canvas.get_renderer()).x1
    assert right <= figure.bbox.width


def test_a_long_legend_leaves_the_title_alone(axes_of):
    """Defect: its second row stood in the title."""
    front = points([0.5, 0.6, 0.7, 0.75])
    shown = picture(
        front, confirmed={front[3].id: (0.8, 0.01)}, light={front[1].id}, limit=1e9,
        controls=[("host", front[0])],
    )  # fmt: skip
    (axes,) = axes_of(shown)
    title = axes.figure.texts[0]
    renderer = axes.figure.canvas.get_renderer()
    below = title.get_window_extent(renderer).y0
    assert axes.get_legend().get_window_extent(renderer).y1 <= below


@pytest.fixture
def axes_of(tmp_path, monkeypatch):
    """The axes of a picture, drawn to a file and kept."""
    figures = []

    class Kept(plot.Figure):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            figures.append(self)

    monkeypatch.setattr(plot, "Figure", Kept)

    def axes(shown):
        draw(shown, tmp_path / "front.png")
        return figures[-1].axes

    return axes


def test_steps_within_the_noise_are_drawn_lightly(tmp_path, axes_of):
    front = points([0.8, 0.9, 0.95, 0.99])
    light = {front[2].id, front[3].id}
    (axes,) = axes_of(picture(front, light=light))
    treads = {
        line.get_ydata()[-1]: line.get_color() for line in axes.lines if len(line.get_xdata()) == 3
    }
    assert treads == {0.8: BLUE, 0.9: BLUE, 0.95: LIGHT, 0.99: LIGHT}
    draw(picture(front, light=light), tmp_path / "light.png")
    assert LIGHT in colours(tmp_path / "light.png")
    draw(picture(front), tmp_path / "sure.png")
    assert LIGHT not in colours(tmp_path / "sure.png")


def test_confirmed_members_change_the_picture(tmp_path):
    front = points([0.8, 0.9, 0.95, 0.99])
    draw(picture(front), tmp_path / "a.png")
    confirmed = {front[1].id: (0.92, 0.01), front[2].id: (0.93, float("nan")), "gone": (0.5, 0.1)}
    draw(picture(front, confirmed=confirmed), tmp_path / "b.png")
    assert (pixels(tmp_path / "a.png") != pixels(tmp_path / "b.png")).any()


def test_a_logarithmic_error_axis_where_it_helps():
    assert error_floor([0.5, 0.6, 0.7]) is None  # nobody is right nine times in ten
    assert error_floor([0.95, 0.96, 0.97]) is None  # errors are alike
    assert error_floor([0.5, 0.9, 0.99]) == pytest.approx(0.01 / 4)
    assert error_floor([0.5, 0.9, 1.0]) == pytest.approx(0.1 / 2)
    assert error_floor([1.0, 1.0]) is None
    assert error_floor([float("nan"), 0.5, 0.99]) == pytest.approx(0.01 / 4)


@pytest.mark.parametrize(
    ("value", "text"), [(1.2e6, "1.2M"), (2e9, "2G"), (500, "500"), (5e4, "50k"), (0.5, "0.5")]
)
def test_figures(value, text):
    assert figure_text(value) == text
