"""Images of one part that are also in another: what is scored on them is too good."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]


def twins_note(images: Array, sums: Array, divided: Mapping[str, Array]) -> str | None:
    """Return a sentence on the scored images that are equal, to the pixel, to a training image.

    Args:
        images: (N, H, W, C).
        sums: (N, ...), what equal images have equal; only where it is are images compared.
        divided: the indices of each part.
    """
    keys = [row.tobytes() for row in np.ascontiguousarray(sums.reshape(len(sums), -1))]
    trained: dict[bytes, list[int]] = {}
    for i in divided["train"].tolist():
        trained.setdefault(keys[i], []).append(i)
    found = {
        part: sum(
            any(np.array_equal(images[i], images[j]) for j in trained.get(keys[i], ())[:16])
            for i in divided[part].tolist()
        )
        for part in ("validation", "test")
    }
    told = [f"{n} of {len(divided[part])} {part} images" for part, n in found.items() if n]
    if not told:
        return None
    return (
        f"{' and '.join(told)} are also among the training images, to the pixel: figures on them "
        "are too good; keep each image in one part alone"
    )


__all__ = ["twins_note"]
