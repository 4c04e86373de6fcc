"""The picture of where a network's plugs look: images, and beside each a map for every plug."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional as F

from plugnas.nas.export.subject import Subject
from plugnas.nas.machine.files import write_whole
from plugnas.space.host.looks import looks

IMAGES = 4  # in the picture, one a row
_TILE, _GAP, _HEAD = 112, 4, 30  # pixels


def write(subject: Subject, path: Path) -> Path | None:
    """Write the picture of a plugged host's maps as PNG; None where no plug follows a site.

    Each map is scaled to its own largest value, from black (nothing is changed) to white.
    """
    if subject.host is None:
        return None
    images = subject.images[:IMAGES]
    found = looks(subject.network, subject.normalised(images))
    if not found:
        return None
    sheet = _sheet(images, found)
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_whole(path, lambda temporary: sheet.save(temporary, format="PNG"))


def _sheet(images: Tensor, found: Mapping[str, Tensor]) -> Image.Image:
    columns = [_tiles(images.permute(0, 3, 1, 2).float() / 255)]
    columns += [_tiles(_scaled(maps)) for maps in found.values()]
    step = _TILE + _GAP
    size = (step * len(columns), _HEAD + step * len(images))
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for j, (name, column) in enumerate(zip(["image", *found], columns, strict=True)):
        draw.text((step * j, 1), _two_lines(name), fill="black", spacing=1)
        for i, tile in enumerate(column):
            sheet.paste(Image.fromarray(tile), (step * j, _HEAD + step * i))
    return sheet


def _scaled(maps: Tensor) -> Tensor:
    """Return (B, 1, H, W), each map divided by its largest value."""
    largest = maps.amax((1, 2), keepdim=True)
    return (maps / torch.where(largest > 0, largest, 1.0)).unsqueeze(1)


def _tiles(maps: Tensor) -> list[np.ndarray]:
    """Return (B, 1 or 3, H, W) between 0 and 1 as RGB bytes of one size."""
    large = F.interpolate(maps.float(), size=(_TILE, _TILE), mode="bilinear", align_corners=False)
    bytes_ = (255 * large.clamp(0, 1)).round().to(torch.uint8)
    return list(bytes_.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).contiguous().numpy())


def _two_lines(name: str) -> str:
    """Return ``layer3-attention`` in two lines that fit a tile."""
    path, _, slot = name.partition("-attention")
    return f"{path[-17:]}\nattention{slot}" if name != path else name[-17:]


__all__ = ["IMAGES", "write"]
