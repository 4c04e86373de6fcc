"""An image that is an array already, of any number of channels, where PIL knows one to four."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from plugnas.nas.data.pixels import resized

MOST = 16
"""Channels above which a side of an array is taken for pixels."""


@dataclass(frozen=True)
class Stack:
    """Channels as they are: uint8 (H, W, C). Opened and closed as a file's image is."""

    pixels: NDArray[np.uint8]

    def __enter__(self) -> Stack:
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing was opened."""

    def to_bytes(self, shape: tuple[int, int], mode: str) -> NDArray[np.uint8]:
        """Return uint8 (H, W, C), each channel made another size as an image is."""
        if self.pixels.shape[:2] == shape:
            return self.pixels
        planes = [
            resized(PIL.Image.fromarray(np.ascontiguousarray(plane)), shape, mode)
            for plane in np.moveaxis(self.pixels, 2, 0)
        ]
        return np.stack([np.asarray(plane, dtype=np.uint8) for plane in planes], axis=2)


def channels_last(images: NDArray[np.generic]) -> NDArray[np.generic] | None:
    """Return (N, H, W, C) of arrays with 1 to 16 channels, last or first; None for other shapes.

    Where both could be, 1, 3 or 4 are channels before other numbers, and equal sides are pixels.
    """
    _, a, b, c = images.shape
    first = images.transpose(0, 2, 3, 1)
    if c in (1, 3, 4):
        return images
    if a in (1, 3, 4) and a != b:
        return first
    if c <= MOST and not (a <= MOST and b == c):
        return images
    return first if a <= MOST else None


__all__ = ["MOST", "Stack", "channels_last"]
