"""A few validation images with their masks, kept with a run so that its page can show them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from torch import Tensor

from plugnas.nas.data import Dataset
from plugnas.nas.machine.files import write_whole

_ROWS = 192
"""The largest height at which they are kept."""

Kept = tuple[NDArray[np.uint8], NDArray[np.uint8], tuple[str, ...]]


def keep_examples(path: Path, dataset: Dataset, indices: Tensor) -> None:
    """Write some images (N, H, W, C), their masks (N, H, W) and the names of the classes."""
    rows = indices.cpu()
    images, masks = dataset.images[rows].numpy(), dataset.labels[rows].numpy()
    _, height, width, _ = images.shape
    if height > _ROWS:
        size = (max(1, round(width * _ROWS / height)), _ROWS)
        images = np.stack([_resized(image, size) for image in images])
        masks = np.stack([_plane(mask, size, PIL.Image.Resampling.NEAREST) for mask in masks])
    stream = io.BytesIO()
    np.savez_compressed(stream, images=images, masks=masks, classes=np.array(dataset.classes))
    write_whole(path, lambda file: file.write_bytes(stream.getvalue()))


def read_examples(path: Path) -> Kept | None:
    """Return images, masks and classes; None where a run has none that can be read."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            return kept["images"], kept["masks"], tuple(str(name) for name in kept["classes"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _resized(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    planes = np.moveaxis(image, 2, 0)
    smooth = PIL.Image.Resampling.BILINEAR
    return np.stack([_plane(plane, size, smooth) for plane in planes], axis=2)


def _plane(
    plane: NDArray[np.uint8], size: tuple[int, int], how: PIL.Image.Resampling
) -> NDArray[np.uint8]:
    image = PIL.Image.fromarray(np.ascontiguousarray(plane))
    return np.asarray(image.resize(size, how), dtype=np.uint8)


__all__ = ["keep_examples", "read_examples"]
