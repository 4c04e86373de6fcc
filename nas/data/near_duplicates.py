"""Images that look like another one: a difference hash finds pairs, small grey copies decide.

A picture stored again as JPEG, in another size or a little brighter has other pixels, but the same
small grey copy. Of each image one of 16 x 18 is kept. Its difference hash has 64 bits: is a cell of
8 x 9 darker than the one on its right? Two images are compared where one of the four quarters of
their hashes agrees; they are near-duplicates where their grey copies, brought to mean 0 and
deviation 1, are closer than ``NEAR``, and far closer than two images of the set usually are.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

ROWS, COLUMNS = 16, 18
NEAR = 0.1
"""Root of the mean squared difference of two copies of deviation 1; unrelated ones have 1.4."""

_USUAL = 0.09
"""... and this share of what two images of a set usually have: before one camera all are alike."""

_SPREAD = 4.0
"""Deviation below which a picture is plain: nothing in it can be compared."""

_STEP = 2
"""Cells must differ by more than so much of 255 to be darker: noise of JPEG on plain ground."""

_BITS = 12
"""Of 64 bits so many may differ."""

_COMMON = 256
"""A quarter of a hash that more images share than this is plain ground, and joins no pair."""

_BATCH = 2**20
"""Pairs that are looked at in one go."""

Small = NDArray[np.uint8]
Indices = NDArray[np.int64]


def small_copy(image: NDArray[np.uint8]) -> Small:
    """Return the grey copy, (ROWS, COLUMNS), of one image, (H, W, C): means over its cells."""
    cells: NDArray[np.generic] = image
    for axis, count in ((0, ROWS), (1, COLUMNS)):
        size = image.shape[axis]
        starts = np.arange(count) * size // count
        # A side of fewer pixels than cells repeats pixels: ``reduceat`` gives the one at the start.
        pixels = np.maximum(np.diff(np.append(starts, size)), 1).astype(np.float32)
        sums = np.add.reduceat(cells, starts, axis=axis, dtype=np.float32)
        cells = sums / pixels.reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
    grey = cells.mean(axis=2)
    copy: Small = np.rint(grey).astype(np.uint8)
    return copy


def near_duplicates(copies: Small, of: Indices, among: Indices) -> list[tuple[int, int]]:
    """Return pairs (image of ``of``, its nearest of ``among``) that are near-duplicates.

    Args:
        copies: (N, ROWS, COLUMNS), the grey copies of all images.
        of: indices of the images asked about; each is in at most one pair.
        among: indices of those that it is compared with.
    """
    limit = min(NEAR, _USUAL * _usual(copies, among))
    of, among = (part[_spread(copies[part]) >= _SPREAD] for part in (of, among))
    if not len(of) or not len(among) or limit <= 0:
        return []
    hashes = _hashes(copies[of]), _hashes(copies[among])
    best: dict[int, tuple[float, int]] = {}
    for left, right in _candidates(*hashes):
        differing = np.bitwise_count(hashes[0][left] ^ hashes[1][right])
        alike = differing <= _BITS
        pairs = of[left[alike]], among[right[alike]]
        for i, j, distance in zip(*pairs, _distances(copies, *pairs), strict=True):
            if distance < limit:
                best[int(i)] = min(best.get(int(i), (np.inf, -1)), (float(distance), int(j)))
    return [(i, j) for i, (_, j) in sorted(best.items())]


def _hashes(copies: Small) -> NDArray[np.uint64]:
    """Return the difference hash of each copy."""
    cells = copies.reshape(len(copies), 8, ROWS // 8, 9, COLUMNS // 9).mean(axis=(2, 4))
    bits = np.packbits(np.diff(cells, axis=2).reshape(len(copies), 64) > _STEP, axis=1)
    return bits.view(np.uint64)[:, 0]


def _candidates(
    left: NDArray[np.uint64], right: NDArray[np.uint64]
) -> Iterator[tuple[Indices, Indices]]:
    """Yield places in both lists whose hashes agree in a quarter, a number of pairs at a time."""
    quarters = left.view(np.uint16).reshape(-1, 4), right.view(np.uint16).reshape(-1, 4)
    for ours, theirs in zip(quarters[0].T, quarters[1].T, strict=True):
        order = np.argsort(theirs, kind="stable")
        first, end = (np.searchsorted(theirs[order], ours, side=s) for s in ("left", "right"))
        counts = end - first
        counts[counts > _COMMON] = 0
        ends = np.cumsum(counts)
        begin = 0
        while begin < len(ours):
            done = ends[begin - 1] if begin else 0
            stop = max(begin + 1, int(np.searchsorted(ends, done + _BATCH, side="right")))
            number = counts[begin:stop]
            places = np.repeat(np.arange(begin, stop), number)
            inside = np.arange(len(places)) - np.repeat(np.cumsum(number) - number, number)
            yield places, order[first[places] + inside]
            begin = stop


def _usual(copies: Small, among: Indices) -> float:
    """Return the distance that two images drawn from the set usually have."""
    drawn = among[:: max(1, len(among) // 512)]
    drawn = drawn[_spread(copies[drawn]) >= _SPREAD]
    half = len(drawn) // 2
    if half == 0:
        return 0.0
    return float(np.median(_distances(copies, drawn[:half], drawn[half : 2 * half])))


def _spread(copies: Small) -> NDArray[np.float32]:
    """Return the deviation of each copy over its cells."""
    deviation: NDArray[np.float32] = copies.reshape(-1, ROWS * COLUMNS).std(
        axis=1, dtype=np.float32
    )
    return deviation


def _distances(copies: Small, left: Indices, right: Indices) -> NDArray[np.float32]:
    """Return the root of the mean squared difference of each pair of normalised copies."""
    found = np.zeros(len(left), np.float32)
    for start in range(0, len(left), 4096):
        part = slice(start, start + 4096)
        a, b = (_normalised(copies[side[part]]) for side in (left, right))
        found[part] = np.sqrt(((a - b) ** 2).mean(axis=1))
    return found


def _normalised(copies: Small) -> NDArray[np.float32]:
    values = copies.reshape(-1, ROWS * COLUMNS).astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    values /= values.std(axis=1, keepdims=True)
    return values


__all__ = ["COLUMNS", "ROWS", "near_duplicates", "small_copy"]
