"""Where the labels of a picture stand: beside their points, on no marker, line or other label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]
"""Left, bottom, right, top, in pixels."""


def around(x: float, y: float, radius: float) -> Box:
    """Return the box of a marker."""
    return (x - radius, y - radius, x + radius, y + radius)


def places(
    markers: Sequence[Box],
    sizes: Sequence[tuple[float, float]],
    obstacles: Sequence[Box],
    area: Box,
) -> list[Box | None]:
    """Return a box for the label of each marker, most important first; None where none is free.

    ``sizes`` are widths and heights. A label keeps within ``area``, off all markers and
    ``obstacles``, and off earlier labels.

    Args:
        markers: the points' boxes.
        sizes: (width, height) of each label.
        obstacles: boxes that no label may touch.
        area: in which all labels stay.
    """
    taken: NDArray[np.float64] = np.array([*obstacles, *markers], dtype=float).reshape(-1, 4)
    found: list[Box | None] = []
    for marker, size in zip(markers, sizes, strict=True):
        free = next((b for b in _beside(marker, *size) if _is_free(b, taken, area)), None)
        found.append(free)
        if free is not None:
            taken = np.vstack([taken, free])
    return found


def _beside(marker: Box, width: float, height: float) -> list[Box]:
    """The places around a marker; a front rises to the right, so those off its stairs first."""
    middle = (marker[0] + marker[2]) / 2
    level = (marker[1] + marker[3]) / 2
    found: list[Box] = []
    for gap in (0.0, 14.0):  # close by, then a little farther
        left, right = marker[0] - gap - width, marker[2] + gap
        above, below = marker[3] + gap, marker[1] - gap - height
        corners = [(left, above), (right, below), (left, level + 2), (right, level - 2 - height)]
        corners += [(middle - width / 2, above), (right, above), (left, below)]
        corners += [(middle - width / 2, below)]
        found += [(a, b, a + width, b + height) for a, b in corners]
    return found


def _is_free(box: Box, taken: NDArray[np.float64], area: Box) -> bool:
    left, bottom, right, top = box
    if left < area[0] or bottom < area[1] or right > area[2] or top > area[3]:
        return False
    hit = (taken[:, 0] < right) & (left < taken[:, 2])
    return not bool((hit & (taken[:, 1] < top) & (bottom < taken[:, 3])).any())


__all__ = ["Box", "around", "places"]
