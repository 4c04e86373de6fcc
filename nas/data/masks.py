"""What the pixels of a mask say: labels by number, by palette or by colour, to classes."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from plugnas.nas.data.errors import DataError
from plugnas.nas.data.pixels import resized
from plugnas.nas.data.stack import Stack

IGNORED = 255
"""The label, in every data set that is loaded, of pixels that count nowhere."""

VOID = frozenset({"void", "unlabelled", "unlabeled", "ignore", "ignored", "__ignore__"})
"""Names of a palette or of a list of classes that stand for pixels that count nowhere."""

_LABELS = 256  # a mask's values are 0 to 255


class MaskError(DataError):
    """A mask that breaks a law; a broken file is none of these."""


@dataclass(frozen=True)
class Palette:
    """The colours of masks in order, each with the name of its class."""

    colours: tuple[tuple[int, int, int], ...]
    names: tuple[str, ...]

    @classmethod
    def parse(cls, text: str, where: str) -> Palette:
        """Read lines ``R G B name`` (CamVid's label_colors.txt).

        Raises:
            DataError: a line that says something else, or a colour twice.
        """
        colours, names = [], []
        for number, line in enumerate(text.splitlines(), start=1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            found = re.fullmatch(r"\s*(\d+)[\s,]+(\d+)[\s,]+(\d+)[\s,]+(\S.*?)\s*", line)
            colour = tuple(map(int, found.groups()[:3])) if found else ()
            if found is None or max(colour) > 255:
                raise DataError(
                    f"line {number} of {where} is no colour with its name: write `128 0 192 car`, "
                    f"red, green and blue from 0 to 255, but got {line.strip()!r}"
                )
            if colour in colours:
                raise DataError(f"line {number} of {where} names a colour again: {line.strip()!r}")
            colours.append((colour[0], colour[1], colour[2]))
            names.append(found[4])
        if len(names) < 2 or len(names) > IGNORED:
            raise DataError(f"{where} must name 2 to {IGNORED} colours, but names {len(names)}")
        return cls(tuple(colours), tuple(names))

    def labels(self, pixels: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
        """Return the place of each pixel's colour in the palette, uint8 (H, W).

        Raises:
            MaskError: a colour that the palette has not.
        """
        codes = (pixels.astype(np.int32) << np.array([16, 8, 0])).sum(2)
        own = np.array([(r << 16) + (g << 8) + b for r, g, b in self.colours])
        order = np.argsort(own)
        place = np.searchsorted(own[order], codes).clip(max=len(own) - 1)
        found = order[place]
        foreign = np.argwhere(own[found] != codes)
        if len(foreign):
            y, x = map(int, foreign[0])
            raise MaskError(
                f"{name} has the colour {' '.join(map(str, pixels[y, x]))}, which the palette has "
                f"not ({len(foreign)} of {codes.size} pixels, the first in row {y}, column {x}); "
                "add it, or save masks without compression that changes colours (PNG, not JPEG)"
            )
        return found.astype(np.uint8)


@dataclass(frozen=True)
class Meaning:
    """What the numbers in masks mean: names in their order, and which count nowhere.

    ``names`` of None: each number that occurs is a class, and its own name.
    """

    names: tuple[str, ...] | None
    ignored: frozenset[int]

    @classmethod
    def of(cls, names: Sequence[str] | None, ignore: Collection[int]) -> Meaning:
        """Return the meaning of named numbers; names such as ``void`` count nowhere."""
        if names is None:
            return cls(None, frozenset(ignore))
        void = {i for i, name in enumerate(names) if name.lower() in VOID}
        return cls(tuple(names), frozenset(ignore) | void)

    def table(
        self, counts: NDArray[np.int64], images: Sequence[str], where: str
    ) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
        """Return what each number becomes, uint8 (256,), and the names of the classes.

        Args:
            counts: pixels of each number in each mask, (N, 256).
            images: names of the masks, for errors.
            where: the source, for errors.

        Raises:
            DataError: a number outside the classes, or fewer than two classes.
        """
        there = [int(i) for i in np.flatnonzero(counts.sum(0)) if int(i) not in self.ignored]
        named = there if self.names is None else range(len(self.names))
        kept = [i for i in named if i not in self.ignored]
        foreign = sorted(set(there) - set(kept))
        if foreign and self.names is not None:
            first = images[int(np.flatnonzero(counts[:, foreign[0]])[0])]
            raise DataError(
                f"the label {foreign[0]} in {first} of {where} is outside the {len(kept)} classes "
                f"({', '.join(self.names[:3])}, ..., numbered from 0); correct the masks or the "
                f"list of classes, or say `data: {{ignore: {foreign[0]}}}` if it counts nowhere"
            )
        if len(kept) < 2:
            told = ", ".join(map(str, sorted(self.ignored))) or "nothing"
            raise DataError(
                f"the masks of {where} hold {len(kept)} class beside what counts nowhere (ignored: "
                f"{told}), and a segmentation needs two; `data.ignore` is the label that counts "
                "nowhere, and `ignore: null` counts every label"
            )
        if len(kept) > IGNORED:
            raise DataError(f"{where} has {len(kept)} classes, and masks tell {IGNORED} apart")
        table = np.full(_LABELS, IGNORED, dtype=np.uint8)
        table[kept] = np.arange(len(kept))
        names = self.names or {i: str(i) for i in kept}
        return table, tuple(names[i] for i in kept)


def read_mask(image: PIL.Image.Image | Stack, palette: Palette | None, name: str) -> NDArray[Any]:
    """Return the labels of an open mask, uint8 (H, W): colours by the palette, else its numbers.

    A grey mask holds numbers, with a palette too, and so does one with a palette of its own (VOC)
    where the job gives none.

    Raises:
        MaskError: colours without a palette, or numbers that are no labels.
    """
    if isinstance(image, Stack):
        return _numbers(image.pixels, name)
    image.load()
    grey = image.mode in ("1", "L") or image.mode.startswith("I")
    if grey or (image.mode == "P" and palette is None):
        return _numbers(np.asarray(image), name)
    if palette is not None:
        return palette.labels(np.asarray(image.convert("RGB")), name)
    pixels = np.asarray(image.convert("RGB"))
    if (pixels != pixels[..., :1]).any():
        raise MaskError(
            f"{name} is in colour, and no palette says which colour is which class: give "
            "`data: {palette: label_colors.txt}`, a file with a line `R G B name` for each class"
        )
    return _numbers(pixels[..., 0], name)


def _numbers(values: NDArray[Any], name: str) -> NDArray[np.uint8]:
    whole = values if values.dtype.kind in "bui" else np.rint(values)
    if values.dtype.kind == "f" and not np.array_equal(whole, values):
        raise MaskError(f"{name} holds values that are no whole numbers; a mask holds class labels")
    if whole.size and (whole.min() < 0 or whole.max() >= _LABELS):
        raise MaskError(
            f"{name} holds labels from {whole.min()} to {whole.max()}; a label is 0 to "
            f"{_LABELS - 1}"
        )
    return whole.astype(np.uint8)


def fitted(labels: NDArray[np.uint8], shape: tuple[int, int], mode: str) -> NDArray[np.uint8]:
    """Return labels at another size as an image of their size is, each the nearest one."""
    image = resized(PIL.Image.fromarray(labels), shape, mode, nearest=True)
    return np.asarray(image, dtype=np.uint8)


def notes_of(
    pixels: NDArray[np.int64], divided: Mapping[str, NDArray[np.int64]], classes: Sequence[str]
) -> list[str]:
    """Return what to know of classes that some part lacks; ``pixels`` are (N, classes + 1)."""
    notes = []
    counts = {part: pixels[rows, :-1].sum(0) for part, rows in divided.items() if len(rows)}
    for part, found in counts.items():
        absent = [classes[int(i)] for i in np.flatnonzero(found == 0)]
        if not absent:
            continue
        shown = ", ".join(f"`{name}`" for name in absent[:3])
        shown += f" and {len(absent) - 3} more" if len(absent) > 3 else ""
        others = [p for p in counts if p != part and (counts[p][found == 0] > 0).any()]
        if part == "train" and others:
            notes.append(
                f"train has no pixel of {shown}, but {' and '.join(others)} has: no network can "
                "learn it, so its IoU is 0 for all; give it training images, or ignore its label"
            )
        else:
            notes.append(f"{part} has no pixel of {shown}")
    return notes


__all__ = [
    "IGNORED",
    "VOID",
    "MaskError",
    "Meaning",
    "Palette",
    "fitted",
    "notes_of",
    "read_mask",
]
