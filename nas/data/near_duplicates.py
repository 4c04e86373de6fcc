"""Images that look like another one: a difference hash finds pairs, small grey copies decide.

A picture stored again as JPEG, in another size or a little brighter has other pixels, but the same
small grey copy. Of each image one of 16 x 18 is kept. Its difference hash has 64 bits: is a cell of
8 x 9 darker than the one on its right? Two images are compared where their hashes agree in two
neighbouring rows, or columns. They are near-duplicates where their grey copies, levelled and
brought to deviation 1, are closer than ``NEAR``, or so close as the set's images hardly ever come.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

ROWS, COLUMNS = 16, 18
NEAR, FAR = 0.1, 0.2
"""Root of the mean squared difference of two copies of deviation 1; unrelated ones have 1.4. Below
the first a pair is one picture, between the two where the set's other images are far apart."""

_USUAL = 0.09
"""``NEAR`` at most as a share of what two images of the set usually have: a camera that does not
move sees the same ground each time."""

_NEAREST = 0.25
"""``FAR`` at most as a share of what an image's nearest usually has: digits are near each other."""

_SPREAD = 4.0
"""Deviation below which a picture is plain: nothing in it can be compared."""

_STEP = 2
"""Cells must differ by more than so much of 255 to be darker: noise of JPEG on plain ground."""

_BITS = 10
"""Of 64 bits so many may differ."""

_COMMON = 64
"""Two rows or columns that more images share than this are plain ground, and join no pair."""

_BATCH = 2**18
"""Pairs that are looked at in one go."""

_AT_ONCE = 4096
"""Copies that are levelled in one go."""

Small = NDArray[np.uint8]
Indices = NDArray[np.int64]


def small_copies(images: NDArray[np.uint8]) -> Small:
    """Return the grey copies, (N, ROWS, COLUMNS), of images, (N, H, W, C): means over cells."""
    cells: NDArray[np.generic] = images
    for axis, count in ((1, ROWS), (2, COLUMNS)):
        size = images.shape[axis]
        starts = np.arange(count) * size // count
        # A side of fewer pixels than cells repeats pixels: ``reduceat`` gives the one at the start.
        pixels = np.maximum(np.diff(np.append(starts, size)), 1).astype(np.float32)
        sums = np.add.reduceat(cells, starts, axis=axis, dtype=np.float32)
        cells = sums / pixels.reshape((-1, 1, 1) if axis == 1 else (-1, 1))
    copies: Small = np.rint(cells.mean(axis=3)).astype(np.uint8)
    return copies


def near_duplicates(copies: Small, of: Indices, among: Indices) -> list[tuple[int, int]]:
    """Return pairs (image of ``of``, its nearest of ``among``) that are near-duplicates.

    Args:
        copies: (N, ROWS, COLUMNS), the grey copies of all images.
        of: indices of the images asked about; each is in at most one pair.
        among: indices of those that it is compared with.
    """
    of, among = (part[_spread(copies[part]) >= _SPREAD] for part in (of, among))
    if not len(of) or len(among) < 2:
        return []
    limit = _limit(copies, of, among)
    hashes = _hashes(copies[of]), _hashes(copies[among])
    ours, theirs = (np.ascontiguousarray(h[:, :4]).view(np.uint64)[:, 0] for h in hashes)
    best: dict[int, tuple[float, int]] = {}
    for left, right in _candidates(*hashes):
        alike = np.bitwise_count(ours[left] ^ theirs[right]) <= _BITS
        pairs = of[left[alike]], among[right[alike]]
        for i, j, distance in zip(*pairs, _distances(copies, *pairs), strict=True):
            if distance < limit:
                best[int(i)] = min(best.get(int(i), (np.inf, -1)), (float(distance), int(j)))
    return [(i, j) for i, (_, j) in sorted(best.items())]


def _hashes(copies: Small) -> NDArray[np.uint16]:
    """Return the difference hash of each copy twice, (N, 8): by two rows, and by two columns."""
    return np.concatenate([_hashes_of(part) for part in _parts(copies)])


def _hashes_of(copies: Small) -> NDArray[np.uint16]:
    cells = copies.reshape(len(copies), 8, ROWS // 8, 9, COLUMNS // 9).mean(axis=(2, 4))
    bits = np.diff(cells, axis=2) > _STEP
    both = (np.packbits(b.reshape(len(b), 64), axis=1) for b in (bits, bits.transpose(0, 2, 1)))
    return np.concatenate([packed.view(np.uint16) for packed in both], axis=1)


def _parts(copies: Small) -> list[Small]:
    """Return the copies, some at a time: what is worked out of them takes far more memory."""
    return [copies[at : at + _AT_ONCE] for at in range(0, max(1, len(copies)), _AT_ONCE)]


def _candidates(
    left: NDArray[np.uint16], right: NDArray[np.uint16]
) -> Iterator[tuple[Indices, Indices]]:
    """Yield places in both lists whose hashes agree in a part, a number of pairs at a time."""
    for ours, theirs in zip(left.T, right.T, strict=True):
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


def _limit(copies: Small, of: Indices, among: Indices) -> float:
    """Return the distance below which two images of a set are near-duplicates."""
    half = min(256, len(among) // 2)
    usual = _distances(copies, _few(among, 2 * half)[:half], _few(among, 2 * half)[half:])
    a, b = (_normalised(copies[_few(part, n)]) for part, n in ((of, 256), (among, 4096)))
    nearest = np.sqrt(np.maximum(0, 2 - 2 * (a @ b.T).max(axis=1) / a.shape[1]))
    near = min(NEAR, _USUAL * float(np.median(usual)))
    return max(near, min(FAR, _NEAREST * float(np.median(nearest))))


def _few(indices: Indices, count: int) -> Indices:
    """Return at most so many of some indices, evenly spread."""
    return indices[np.linspace(0, len(indices) - 1, min(count, len(indices))).astype(np.int64)]


def _spread(copies: Small) -> NDArray[np.float32]:
    """Return the deviation of each copy over its cells, but for a shade from side to side."""
    return np.concatenate(
        [_levelled(part).std(axis=1) for part in _parts(copies)], dtype=np.float32
    )


def _levelled(copies: Small) -> NDArray[np.float32]:
    """Return the cells of each copy less their mean and the plane that fits them best.

    Light from one side is no content: without this, plain surfaces would be near each other.
    """
    rows, columns = np.mgrid[-1 : 1 : ROWS * 1j, -1 : 1 : COLUMNS * 1j].reshape(2, -1)
    planes = np.stack([np.ones(ROWS * COLUMNS), rows, columns]).astype(np.float32)
    planes /= np.linalg.norm(planes, axis=1, keepdims=True)
    values = copies.reshape(-1, ROWS * COLUMNS).astype(np.float32)
    return np.asarray(values - (values @ planes.T) @ planes, dtype=np.float32)


def _distances(copies: Small, left: Indices, right: Indices) -> NDArray[np.float32]:
    """Return the root of the mean squared difference of each pair of normalised copies."""
    found = np.zeros(len(left), np.float32)
    for start in range(0, len(left), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        a, b = (_normalised(copies[side[part]]) for side in (left, right))
        found[part] = np.sqrt(((a - b) ** 2).mean(axis=1))
    return found


def _normalised(copies: Small) -> NDArray[np.float32]:
    values = _levelled(copies)
    values /= np.maximum(values.std(axis=1, keepdims=True), np.float32(1e-6))
    return values


__all__ = ["COLUMNS", "ROWS", "near_duplicates", "small_copies"]
