"""Images of one part that are also in another: what is scored on them is too good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.data.near_duplicates import near_duplicates

Array = NDArray[np.generic]
SHOWN = 3


def twins_notes(
    images: Array,
    sums: Array,
    copies: NDArray[np.uint8],
    divided: Mapping[str, Array],
    names: Sequence[str],
) -> tuple[str, ...]:
    """Return sentences on the scored images that equal a training image, or look almost like one.

    Args:
        images: (N, H, W, C).
        sums: (N, ...), what equal images have equal; only where it is are images compared.
        copies: (N, ...), their small grey copies (`near_duplicates.small_copies`).
        divided: the indices of each part.
        names: of each image, for examples.
    """
    equal = {part: _equal(images, sums, divided, part) for part in ("validation", "test")}
    indices = {part: np.asarray(rows, dtype=np.int64) for part, rows in divided.items()}
    near = {
        part: near_duplicates(
            copies, indices[part][~np.isin(indices[part], found)], indices["train"]
        )
        for part, found in equal.items()
    }
    notes = []
    if told := _counts(equal, divided):
        notes.append(
            f"{told} are also among the training images, to the pixel: figures on them are too "
            "good; keep each image in one part alone"
        )
    if told := _counts(near, divided):
        pairs = [pair for found in near.values() for pair in found]
        shown = "; ".join(f"{names[i]} like {names[j]}" for i, j in pairs[:SHOWN])
        more = f"; and {len(pairs) - SHOWN} more" if len(pairs) > SHOWN else ""
        notes.append(
            f"{told} look almost like a training image ({shown}{more}): where they are copies of "
            "one picture, figures on them are too good; keep all copies in one part"
        )
    return tuple(notes)


def _counts(found: Mapping[str, Sequence[object]], divided: Mapping[str, Array]) -> str:
    told = [f"{len(f)} of {len(divided[part])} {part} images" for part, f in found.items() if f]
    return " and ".join(told)


def _equal(images: Array, sums: Array, divided: Mapping[str, Array], part: str) -> list[int]:
    """Return the images of a part that are among the training images."""
    keys = [row.tobytes() for row in np.ascontiguousarray(sums.reshape(len(sums), -1))]
    trained: dict[bytes, list[int]] = {}
    for i in divided["train"].tolist():
        trained.setdefault(keys[i], []).append(i)
    return [
        i
        for i in divided[part].tolist()
        if any(np.array_equal(images[i], images[j]) for j in trained.get(keys[i], ())[:16])
    ]


__all__ = ["twins_notes"]
