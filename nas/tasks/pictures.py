"""Labels of small maps as text, so that a record may hold what a network answered."""

from __future__ import annotations

import base64
import io

import numpy as np
import PIL.Image
from numpy.typing import NDArray

ROWS = 64
"""The largest height of a map that is kept."""


def written(labels: NDArray[np.uint8]) -> str:
    """Return labels (H, W) as the base64 text of a PNG, at most 64 rows high."""
    image = PIL.Image.fromarray(np.ascontiguousarray(labels))
    if image.height > ROWS:
        width = max(1, round(image.width * ROWS / image.height))
        image = image.resize((width, ROWS), PIL.Image.Resampling.NEAREST)
    return png(image)


def read(text: str) -> NDArray[np.uint8]:
    """Return the labels that ``written`` wrote.

    Raises:
        ValueError: the text is no such picture.
    """
    try:
        with PIL.Image.open(io.BytesIO(base64.b64decode(text, validate=True))) as image:
            return np.asarray(image.convert("L"))
    except (OSError, SyntaxError) as error:
        raise ValueError(f"no picture of labels: {error}") from None


def png(image: PIL.Image.Image) -> str:
    """Return an image as the base64 text of a PNG."""
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True)
    return base64.b64encode(stream.getvalue()).decode()


__all__ = ["ROWS", "png", "read", "written"]
