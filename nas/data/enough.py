"""Whether what was read is enough to learn from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.data.errors import DataError


def check_left(
    labels: np.ndarray,
    parts: np.ndarray,
    classes: tuple[str, ...],
    broken: dict[int, str],
    name: str,
) -> None:
    """Refuse classes that have nothing left to train on.

    Args:
        labels: the class of each image (N,).
        parts: the part of each (N,).
        classes: their names.
        broken: what is wrong with each broken image.
        name: of the source.
    """
    trained = np.bincount(labels[parts == 0], minlength=len(classes))
    bare = [classes[i] for i in np.flatnonzero(trained == 0)]
    if len(classes) < 2:
        raise DataError(f"{name} holds one class, and a classification needs two")
    if bare:
        why = f"; {len(broken)} images are broken" if broken else ""
        raise DataError(
            f"`{bare[0]}`{f' and {len(bare) - 1} more classes' if bare[1:] else ''} of {name} "
            f"has no image to train on{why}; repair or add some, raise `data.limit`, or remove it"
        )


def check_marks(
    marks: NDArray[np.integer], parts: NDArray[np.integer], classes: Sequence[str], name: str
) -> None:
    """Refuse labels that no training image has, or that all have.

    Args:
        marks: 0 and 1, (N, classes). parts: the part of each image; 0 is for training.
        classes: the names of the labels. name: of the set.
    """
    own = marks[parts == 0]
    shares = own.mean(0) if len(own) else np.zeros(len(classes))
    for label, share in zip(classes, shares, strict=True):
        if share in (0, 1):
            how = "no training image" if share == 0 else "every training image"
            raise DataError(
                f"{how} of {name} has the label `{label}`, so that it cannot be learned; leave it "
                "out of `labels`, or add images"
            )


__all__ = ["check_left", "check_marks"]
