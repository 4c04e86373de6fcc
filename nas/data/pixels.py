"""One image of any kind to bytes of one shape and colour mode.

Training in the search and training from an export read images by this one file: a copy of it lies
beside an export's train.py. So it imports numpy and PIL alone.
"""

from __future__ import annotations

import numpy as np
import PIL.Image
import PIL.ImageOps

_WITH_ALPHA = frozenset({"RGBA", "LA", "PA", "La", "RGBa"})
_ORIENTATION = 274  # the EXIF tag


def is_grey(image: PIL.Image.Image) -> bool:
    """Whether an image has no colour by its mode; a palette counts as colour."""
    return image.mode in ("1", "L", "LA", "La") or image.mode.startswith("I")


def upright_size(image: PIL.Image.Image) -> tuple[int, int]:
    """Return (height, width) as seen, after the rotation that EXIF asks for."""
    width, height = image.size
    turned = image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
    return (width, height) if turned else (height, width)


def place_in(size: tuple[int, int], shape: tuple[int, int], mode: str) -> tuple[int, int, int, int]:
    """Return where an image of one size comes to lie in another: top, left, height, width.

    All of it for ``crop`` and ``stretch``; for ``pad`` as much of it as the scaled image takes.
    """
    height, width = shape
    if mode != "pad":
        return 0, 0, height, width
    scale = min(height / size[0], width / size[1])
    rows, columns = (max(1, round(side * scale)) for side in size)
    return (height - rows) // 2, (width - columns) // 2, rows, columns


def resized(
    image: PIL.Image.Image,
    shape: tuple[int, int],
    mode: str,
    *,
    seen: tuple[int, int] | None = None,
    nearest: bool = False,
    fill: int = 0,
) -> PIL.Image.Image:
    """Return an image at another size.

    ``crop`` scales it until it covers ``shape`` and crops it around the centre; ``pad`` scales it
    until it just fits, in the middle of ``fill``; ``stretch`` scales height and width each on their
    own.

    Args:
        image: 8 bits per channel.
        shape: (height, width) of the result.
        mode: ``crop``, ``pad`` or ``stretch``.
        seen: (height, width) of the whole image, where this is a smaller copy of it.
        nearest: takes the nearest pixel, as labels need; the other way is bilinear, antialiased.
        fill: value of what ``pad`` adds, black for an image.
    """
    height, width = shape
    if image.size == (width, height):
        return image
    way = PIL.Image.Resampling.NEAREST if nearest else PIL.Image.Resampling.BILINEAR
    if mode == "crop":
        return PIL.ImageOps.fit(image, (width, height), way)
    own = (image.height, image.width) if seen is None else seen
    top, left, rows, columns = place_in(own, shape, mode)
    inner = image.resize((columns, rows), way)
    if inner.size == (width, height):
        return inner
    whole = PIL.Image.new(image.mode, (width, height), (fill,) * len(image.getbands()))
    whole.paste(inner, (left, top))
    return whole


def to_bytes(
    image: PIL.Image.Image, shape: tuple[int, int], *, grey: bool, mode: str = "crop"
) -> np.ndarray:
    """Return an image as uint8 (H, W, C), C = 1 if ``grey`` else 3.

    Transparent images are laid over white; 16-bit grey keeps its upper byte; a photo is turned
    as its EXIF data says. Raises what PIL raises for a broken file, ValueError for float pixels.

    Args:
        image: as PIL opened it, its pixels not read yet.
        shape: (H, W) of the result.
        grey: whether the result has one channel instead of three.
        mode: how another size becomes ``shape``, see `resized`.
    """
    height, width = shape
    seen = upright_size(image)
    if image.format == "JPEG":  # decode at a fraction of a large photo's size: several times faster
        image.draft(None, (2 * width, 2 * height))
    image.load()
    image = PIL.ImageOps.exif_transpose(image)
    image = _eight_bits(image)
    if image.mode in _WITH_ALPHA or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = PIL.Image.new("RGBA", layer.size, (255, 255, 255, 255))
        image = PIL.Image.alpha_composite(white, layer)
    image = image.convert("L" if grey else "RGB")
    image = resized(image, shape, mode, seen=seen)
    pixels = np.asarray(image, dtype=np.uint8)
    return pixels[:, :, None] if grey else pixels


def _eight_bits(image: PIL.Image.Image) -> PIL.Image.Image:
    """Return 16-bit grey as 8-bit; PIL's own conversion would clip it to white."""
    if image.mode == "F":
        raise ValueError("it has floating-point pixels, whose range is not known")
    if not image.mode.startswith("I"):
        return image
    values = np.asarray(image).astype(np.int64)
    return PIL.Image.fromarray((values.clip(0, 65535) >> 8).astype(np.uint8))
