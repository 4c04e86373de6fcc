"""The masks of a cache entry: ``masks.npy``, uint8 (N, H, W), and their counts ``pixels.npy``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from plugnas.nas.data.errors import DataError
from plugnas.nas.data.masks import IGNORED, MaskError, fitted
from plugnas.nas.data.pixels import place_in
from plugnas.nas.data.source import MaskedSource, MaskReader
from plugnas.nas.machine.work import counted

Shape = tuple[int, int]
_BATCH = 256
_LABELS = 256
VOID = "nothing in its mask counts"
"""Why an image without any labelled pixel is left out."""


class MaskFile:
    """Masks on their way into a cache entry: read at their own sizes, fitted, numbered by class."""

    def __init__(self, work: Path, shape: Shape, mode: str) -> None:
        self.path, self.shape, self.mode = work / "masks.npy", shape, mode
        self.classes: tuple[str, ...] = ()
        self._rows: dict[int, int] = {}
        self._pixels = np.zeros((0, 0), dtype=np.int64)

    def read(
        self, source: MaskedSource, wanted: Sequence[int], sizes: Mapping[int, Shape]
    ) -> dict[int, str]:
        """Write the masks of some images; return why which image is left out.

        Args:
            source: the images with masks.
            wanted: the images.
            sizes: (height, width) of each, as seen.

        Raises:
            DataError: masks of another size than their image, or that break another law.
        """
        names = source.listing().names
        shape = (len(wanted), *self.shape)
        masks = np.lib.format.open_memmap(self.path, mode="w+", dtype=np.uint8, shape=shape)
        counts = np.zeros((len(wanted), _LABELS), dtype=np.int64)
        place = {index: row for row, index in enumerate(wanted)}
        broken: dict[int, str] = {}
        other: list[str] = []
        what = f"reading the masks of {source.name}"
        for index, found in counted(_each(source.masks(wanted)), what, len(wanted)):
            if isinstance(found, str):
                broken[index] = f"its mask is broken: {found}"
            elif found.shape != sizes[index]:
                height, width = sizes[index]
                size = "x".join(map(str, found.shape))
                other.append(f"{names[index]}: {size} for {height}x{width}")
            else:
                labels = fitted(found, self.shape, self.mode)
                masks[place[index]] = labels
                own = labels[self._inside(sizes[index])]
                counts[place[index]] = np.bincount(own.ravel(), minlength=_LABELS)
        if other:
            raise DataError(
                f"{len(other)} masks of {source.name} have another size than their image "
                f"({'; '.join(sorted(other)[:3])}{'; ...' if len(other) > 3 else ''}); a mask has "
                "a label for each pixel of its image (height x width as seen, turned by EXIF)"
            )
        listed = [names[index] for index in wanted]
        table, self.classes = source.meaning().table(counts, listed, source.name)
        for row, index in enumerate(wanted):  # what was added around an image counts nowhere
            inside, whole = self._inside(sizes[index]), np.full(self.shape, IGNORED, np.uint8)
            whole[inside] = table[masks[row][inside]]
            masks[row] = whole
        masks.flush()
        self._pixels = _by_class(counts, table, len(self.classes))
        self._pixels[:, -1] += self.shape[0] * self.shape[1] - counts.sum(1)
        self._rows = place
        void = [i for i in wanted if i not in broken and not self._pixels[place[i], :-1].any()]
        return broken | dict.fromkeys(void, VOID)

    def _inside(self, size: Shape) -> tuple[slice, slice]:
        """Return where a mask of one size lies in the common shape."""
        top, left, rows, columns = place_in(size, self.shape, self.mode)
        return slice(top, top + rows), slice(left, left + columns)

    def keep(self, kept: Sequence[int]) -> None:
        """Keep the masks of these images, in this order, and write the counts of their pixels."""
        rows = [self._rows[index] for index in kept]
        if rows != list(range(len(self._rows))):
            masks = np.load(self.path, mmap_mode="r")[rows]
            np.save(self.path.with_name("kept.npy"), masks)
            self.path.with_name("kept.npy").replace(self.path)
        np.save(self.path.with_name("pixels.npy"), self._pixels[rows])


def _by_class(
    counts: NDArray[np.int64], table: NDArray[np.uint8], classes: int
) -> NDArray[np.int64]:
    """Return pixels of each class in each mask, (N, classes + 1), the last what counts nowhere."""
    found = np.zeros((len(counts), classes + 1), dtype=np.int64)
    for label, index in enumerate(table):
        found[:, classes if index == IGNORED else index] += counts[:, label]
    return found


def _each(
    readers: Iterator[tuple[int, MaskReader]],
) -> Iterator[tuple[int, NDArray[np.uint8] | str]]:
    """Yield (index, labels, or in words why the file is broken), by threads."""

    def one(pair: tuple[int, MaskReader]) -> tuple[int, NDArray[np.uint8] | str]:
        index, read = pair
        try:
            return index, read()
        except MaskError:
            raise
        except (OSError, ValueError, SyntaxError, EOFError, PIL.Image.DecompressionBombError) as e:
            return index, f"{type(e).__name__}: {e}"

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        while batch := list(islice(readers, _BATCH)):
            yield from pool.map(one, batch)


__all__ = ["VOID", "MaskFile"]
