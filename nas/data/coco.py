"""Boxes in COCO's JSON, for training functions of one's own."""

from __future__ import annotations

import io
import json
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from plugnas.nas.data.errors import DataError
from plugnas.nas.data.folder import ARCHIVES
from plugnas.nas.data.pixels import to_bytes, upright_size

_BAD_ARCHIVES = (tarfile.TarError, zipfile.BadZipFile)


@dataclass(frozen=True)
class Boxes:
    """Images of one size, and what is marked in each.

    ``images`` is uint8 (N, 3, H, W). ``boxes[i]`` is float32 (n, 4), x1, y1, x2, y2 in pixels of
    these images; ``labels[i]`` int64 (n,), indices into ``classes``, which are in the order of
    their numbers in the file.
    """

    images: Tensor
    boxes: tuple[Tensor, ...]
    labels: tuple[Tensor, ...]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images)


def read_coco(
    source: Path | str, annotations: str, images: str, size: tuple[int, int] | None = None
) -> Boxes:
    """Read images and their boxes; regions marked as crowds are left out.

    Args:
        source: a folder, or a tar or zip archive, whose single top folder may be left out.
        annotations: the JSON file in it. images: the folder in it where ``file_name`` starts.
        size: (height, width) to which images and boxes are stretched; None keeps that of the
            first image, which all must then have.

    Raises:
        DataError: a file that is missing or is no such JSON, an image of another size, a box
            without area, of an unknown image or class, or outside its image.
    """
    files = _Files(Path(source))
    found = _parsed(files.read(annotations), annotations)
    numbers = sorted(c["id"] for c in found["categories"])
    names = {c["id"]: str(c["name"]) for c in found["categories"]}
    place = {image["id"]: i for i, image in enumerate(found["images"])}
    marked: list[list[list[float]]] = [[] for _ in place]
    classes: list[list[int]] = [[] for _ in place]
    for mark in found["annotations"]:
        if mark.get("iscrowd"):
            continue
        x, y, w, h = _box(mark, place, names, annotations)
        marked[place[mark["image_id"]]].append([x, y, x + w, y + h])
        classes[place[mark["image_id"]]].append(numbers.index(mark["category_id"]))
    pixels: list[np.ndarray] = []
    boxes: list[Tensor] = []
    for image, corners in zip(found["images"], marked, strict=True):
        name = f"{images}/{image['file_name']}"
        data, (height, width) = _picture(files.read(name), name, size)
        if pixels and data.shape != pixels[0].shape:
            raise DataError(
                f"{name} has {data.shape[0]}x{data.shape[1]} pixels where the first image has "
                f"{pixels[0].shape[0]}x{pixels[0].shape[1]}; give `size`"
            )
        pixels.append(data)
        scale = torch.tensor([data.shape[1] / width, data.shape[0] / height]).repeat(2)
        box = torch.tensor(corners, dtype=torch.float32).reshape(-1, 4) * scale
        _check_inside(box, data.shape[:2], name)
        boxes.append(box)
    return Boxes(
        images=torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous(),
        boxes=tuple(boxes),
        labels=tuple(torch.tensor(c, dtype=torch.int64) for c in classes),
        classes=tuple(names[n] for n in numbers),
    )


class _Files:
    """The files of a folder or an archive, by their path below it."""

    def __init__(self, source: Path) -> None:
        self.source = source
        if not source.exists():
            raise DataError(f"{source} does not exist")
        self._archive: dict[str, bytes] | None = None
        if source.is_file():
            if not source.name.lower().endswith(ARCHIVES):
                raise DataError(f"{source} is neither a folder nor one of {', '.join(ARCHIVES)}")
            self._archive = _unpacked(source)

    def read(self, name: str) -> bytes:
        if self._archive is None:
            path = self.source / name
            if not path.is_file():
                raise DataError(f"{path} does not exist")
            return path.read_bytes()
        top = {path.split("/")[0] for path in self._archive}
        for full in (name, f"{next(iter(top))}/{name}" if len(top) == 1 else name):
            if full in self._archive:
                return self._archive[full]
        raise DataError(f"{self.source} holds no file {name}")


def _unpacked(archive: Path) -> dict[str, bytes]:
    """Return every file of a tar or zip archive; nothing is written to disk."""
    try:
        if archive.name.lower().endswith(".zip"):
            with zipfile.ZipFile(archive) as packed:
                return {n: packed.read(n) for n in packed.namelist() if not n.endswith("/")}
        with tarfile.open(archive) as tar:
            files = {member.name: tar.extractfile(member) for member in tar if member.isfile()}
            return {n.removeprefix("./"): file.read() for n, file in files.items() if file}
    except (OSError, EOFError, RuntimeError, lzma.LZMAError, zlib.error, *_BAD_ARCHIVES) as error:
        raise DataError(f"{archive} cannot be read as an archive: {error}") from None


def _parsed(text: bytes, name: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise DataError(f"{name} is no JSON: {error}") from None
    lists = ("images", "annotations", "categories")
    if not isinstance(found, dict) or not all(isinstance(found.get(k), list) for k in lists):
        raise DataError(f"{name} is no COCO file, which holds the lists {', '.join(lists)}")
    if not found["images"] or not found["categories"]:
        raise DataError(f"{name} names no image, or no category")
    return found


def _box(
    mark: Mapping[str, Any], place: Mapping[Any, int], names: Mapping[Any, str], file: str
) -> tuple[float, float, float, float]:
    """Return x, y, width, height of an annotation."""
    which = f"{file}: annotation {mark.get('id', '?')}"
    for key, known in (("image_id", place), ("category_id", names)):
        if mark.get(key) not in known:
            raise DataError(f"{which} has {key} {mark.get(key)!r}, which the file does not list")
    box = mark.get("bbox")
    numbers = isinstance(box, list) and all(isinstance(v, int | float) for v in box)
    if box is None or not numbers or len(box) != 4 or not (box[2] > 0 and box[3] > 0):
        raise DataError(
            f"{which} has the bbox {box!r}; it is [x, y, width, height] with an area above 0"
        )
    x, y, width, height = map(float, box)
    return x, y, width, height


def _picture(
    data: bytes, name: str, size: tuple[int, int] | None
) -> tuple[np.ndarray, tuple[int, int]]:
    """Return RGB bytes (H, W, 3), stretched to ``size``, and the size that the file has."""
    try:
        with PIL.Image.open(io.BytesIO(data)) as image:
            own = upright_size(image)
            pixels = to_bytes(image, own, grey=False)
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{name} cannot be read: {error}") from None
    if size is not None and size != own:
        stretched = PIL.Image.fromarray(pixels).resize(size[::-1], PIL.Image.Resampling.BILINEAR)
        pixels = np.asarray(stretched)
    return pixels, own


def _check_inside(boxes: Tensor, size: tuple[int, ...], name: str) -> None:
    """Refuse boxes more than a pixel outside their image, as of another size or EXIF rotation."""
    height, width = size
    limit = torch.tensor([width, height, width, height]) + 1
    if ((boxes < -1) | (boxes > limit)).any():
        raise DataError(
            f"a box of {name} lies outside its {height}x{width} pixels; boxes are in pixels of the "
            "image as seen, after the rotation that EXIF asks for"
        )


__all__ = ["Boxes", "read_coco"]
