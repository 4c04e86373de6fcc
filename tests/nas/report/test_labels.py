"""Labels of a picture: beside their points, and on nothing that must be seen."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from plugnas.nas.front.metric import Metric
from plugnas.nas.report import picture as plot
from plugnas.nas.report.labels import around, places
from plugnas.nas.report.picture import Picture, Point, draw

AREA = (0.0, 0.0, 1000.0, 1000.0)

ACCURACY = Metric("accuracy", "max", percent=True)


def overlap(a, b):
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def test_a_lonely_label_stands_above_to_the_left():
    (box,) = places([around(500, 500, 5)], [(80, 40)], [], AREA)
    assert box == (415, 505, 495, 545)


def test_labels_keep_off_everything_and_within_the_area():
    rng = np.random.default_rng(0)
    for _ in range(30):
        markers = [around(*rng.uniform(0, 1000, 2), 9) for _ in range(40)]
        lines = [(x, y, x + 200.0, y + 3.0) for x, y in rng.uniform(0, 900, (10, 2))]
        found = places(markers, [(70, 38)] * 40, lines, AREA)
        boxes = [box for box in found if box is not None]
        assert len(boxes) > 10
        for box in boxes:
            assert min(box) >= 0
            assert max(box) <= 1000
            assert not any(overlap(box, other) for other in [*markers, *lines])
        assert not any(overlap(a, b) for a, b in combinations(boxes, 2))


def test_where_nothing_is_free_there_is_no_label():
    assert places([around(500, 500, 5)], [(80, 40)], [AREA], AREA) == [None]
    assert places([around(500, 500, 5)], [(1200, 40)], [], AREA) == [None]


@pytest.mark.parametrize("seed", range(4))
def test_no_label_of_a_picture_hides_a_marker(tmp_path, monkeypatch, seed):
    figures = []

    class Kept(plot.Figure):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            figures.append(self)

    monkeypatch.setattr(plot, "Figure", Kept)
    rng = np.random.default_rng(seed)
    costs = np.sort(10 ** rng.uniform(4, 6.3, 14))
    levels = np.sort(1 - 10 ** -rng.uniform(0.3, 2.5, 14))
    front = [Point(f"{i:012x}", c, a) for i, (c, a) in enumerate(zip(costs, levels, strict=True))]
    clouds = 10 ** rng.uniform(4, 6.3, 80), 1 - 10 ** -rng.uniform(0.2, 2, 80)
    other = [Point(f"{i + 99:012x}", c, a) for i, (c, a) in enumerate(zip(*clouds, strict=True))]
    confirmed = {p.id: (p.value - 0.01, 0.004) for p in front[::3]}
    shown = Picture("t", "c", "flops", ACCURACY, [*front, *other], front, front[6], 2e6, confirmed)
    draw(shown, tmp_path / "front.png")

    (axes,) = figures[0].axes
    texts = [text for text in axes.texts if "%" in text.get_text()]
    assert any(front[6].id[:6] in text.get_text() for text in texts)
    low = axes.get_ylim()[0]
    seen = [(p.cost, max(p.value, low)) for p in shown.evaluated]
    seen += [(p.cost, confirmed[p.id][0]) for p in front[::3]]
    pixels = axes.transData.transform(seen)
    for text in texts:
        box = text.get_window_extent()
        assert axes.get_window_extent().contains(*box.min)
        for pixel in pixels:
            assert not box.contains(*pixel)
    for a, b in combinations(texts, 2):
        assert not overlap(a.get_window_extent().extents, b.get_window_extent().extents)
