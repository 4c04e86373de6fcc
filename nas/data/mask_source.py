"""Images with masks: in a folder or an archive, or as arrays in an ``.npz`` file."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.data.arrays import NpzSource
from plugnas.nas.data.errors import DataError
from plugnas.nas.data.mask_layout import AUTO, Pairs, pair
from plugnas.nas.data.masks import Meaning, Palette, read_mask
from plugnas.nas.data.source import PARTS, Listing, MaskReader, Opener
from plugnas.nas.data.spec import DataSpec
from plugnas.nas.data.stack import Stack
from plugnas.nas.data.store import Store, open_store

_PALETTES = ("label_colors.txt", "palette.txt")
_CLASSES = ("classes.txt", "class_names.txt")
# Part -> the names under which npz files keep (images, masks).
_ARRAYS = {
    "train": (
        ("x_train", "y_train"),
        ("train_images", "train_masks"),
        ("images", "masks"),
        ("x", "y"),
    ),
    "validation": (("x_val", "y_val"), ("val_images", "val_masks")),
    "test": (("x_test", "y_test"), ("test_images", "test_masks")),
}


class PairedSource:
    """Images and masks of the same names in a folder or an archive.

    ``classes.txt`` beside them names the classes, a line for each number; for masks in colour
    ``label_colors.txt`` (or the spec's ``palette``) names colours.
    """

    mirror = False  # nothing says that a mirrored image is one of its kind

    def __init__(self, path: Path, spec: DataSpec) -> None:
        self.store: Store = open_store(path)
        self.name, self.spec = self.store.name, spec
        self._pairs: Pairs | None = None

    def identity(self) -> str:
        return _identity(self.store.identity(), self.spec, self._palette_text()[1])

    def listing(self) -> Listing:
        pairs = self._paired()
        nothing = [0] * len(pairs.images)
        return Listing(pairs.images, nothing, pairs.parts, (), pairs.notes)

    def openers(self, wanted: Sequence[int]) -> Iterator[tuple[int, Opener]]:
        names = self._paired().images
        index = {names[i]: i for i in wanted}
        for name, opener in self.store.openers(list(index)):
            yield index[name], opener

    def masks(self, wanted: Sequence[int]) -> Iterator[tuple[int, MaskReader]]:
        names, palette = self._paired().masks, self._palette()
        index = {names[i]: i for i in wanted}
        for name, opener in self.store.openers(list(index)):
            yield index[name], partial(_read, opener, palette, name)

    def meaning(self) -> Meaning:
        if (palette := self._palette()) is not None:
            return Meaning.of(palette.names, self.spec.ignored)
        lines = self._text(_CLASSES)[1].splitlines()
        names = [line.strip() for line in lines if line.strip()]
        return Meaning.of(names or None, self.spec.ignored)

    def _paired(self) -> Pairs:
        if self._pairs is None:
            where = str(self.store.path)
            wanted = self.spec.masks or AUTO
            self._pairs = pair(self.store.images(), self.store.texts(), wanted, where)
        return self._pairs

    def _palette(self) -> Palette | None:
        where, text = self._palette_text()
        return Palette.parse(text, where) if text else None

    def _palette_text(self) -> tuple[str, str]:
        """Return the palette's place and text: the spec's file, or one of the source's."""
        given = self.spec.palette
        if given is None:
            return self._text(_PALETTES)
        if Path(given).is_file():
            return given, Path(given).read_text(encoding="utf-8", errors="replace")
        found = self._text((Path(given).name,))
        if not found[1]:
            raise DataError(
                f"data.palette {given} is not there: it is a file, relative to the job or in "
                f"{self.store.path}, with a line `R G B name` for each class"
            )
        return found

    def _text(self, names: Collection[str]) -> tuple[str, str]:
        """Return the first text of one of these names, nearest to the top, or nothing."""
        texts = self.store.texts()
        for name in sorted(texts, key=lambda n: (n.count("/"), n)):
            if name.rpartition("/")[2].lower() in names:
                return name, texts[name]
        return "", ""


class MaskedNpzSource(NpzSource):
    """An ``.npz`` file of images and masks (N, H, W): ``images``/``masks``, or as for labels.

    ``classes`` may name the classes, in the order of the numbers in the masks.
    """

    def __init__(self, path: Path, spec: DataSpec) -> None:
        super().__init__(path)
        self.spec = spec

    def identity(self) -> str:
        return _identity(super().identity(), self.spec, "")

    def listing(self) -> Listing:
        arrays = self._arrays()
        given = {part: self._pair(arrays, part) for part in PARTS}
        if given["train"] is None:
            raise DataError(
                f"{self.path} holds no images with masks under a known name; expected `images` and "
                f"`masks` (or `x_train` and `y_train`, ...), found {', '.join(arrays) or 'nothing'}"
            )
        parts: list[int] = []
        names: list[str] = []
        for number, part in enumerate(PARTS):
            if (found := given[part]) is not None:
                masks = _as_masks(arrays[found[1]], found[1], self.path)
                if len(masks) != len(arrays[found[0]]):
                    raise DataError(
                        f"`{found[1]}` of {self.path} must hold a mask for each image of "
                        f"`{found[0]}`, got {len(masks)} and {len(arrays[found[0]])}"
                    )
                parts += [number] * len(masks)
                names += [f"{found[0]}[{i}]" for i in range(len(masks))]
        return Listing(names, [0] * len(names), parts, ())

    def masks(self, wanted: Sequence[int]) -> Iterator[tuple[int, MaskReader]]:
        arrays = self._arrays()
        given = [pair for part in PARTS if (pair := self._pair(arrays, part)) is not None]
        stacks = [_as_masks(arrays[name], name, self.path) for _, name in given]
        starts = np.cumsum([0] + [len(stack) for stack in stacks])
        for index in wanted:
            at = int(np.searchsorted(starts, index, side="right")) - 1
            row = index - int(starts[at])
            opener = partial(Stack, stacks[at][row])
            yield index, partial(_read, opener, None, f"{given[at][1]}[{row}]")

    def meaning(self) -> Meaning:
        arrays = self._arrays()
        named = [str(name) for name in arrays["classes"]] if "classes" in arrays else None
        return Meaning.of(named, self.spec.ignored)

    @staticmethod
    def _pair(arrays: dict[str, NDArray[np.generic]], part: str) -> tuple[str, str] | None:
        return next((p for p in _ARRAYS[part] if p[0] in arrays and p[1] in arrays), None)


def masked_source(path: Path, spec: DataSpec) -> PairedSource | MaskedNpzSource:
    """Return the images with masks that a spec with absolute paths names.

    Raises:
        DataError: the path cannot hold any.
    """
    if path.suffix.lower() != ".npz":
        return PairedSource(path, spec)
    if spec.palette is not None:
        raise DataError(f"data.palette is for masks in colour, and those of {path} are numbers")
    return MaskedNpzSource(path, spec)


def _identity(files: str, spec: DataSpec, palette: str) -> str:
    text = f"{files}|masks {spec.masks}|{sorted(spec.ignored)}|{palette}"
    return hashlib.sha256(text.encode()).hexdigest()


def _read(opener: Opener, palette: Palette | None, name: str) -> NDArray[np.uint8]:
    with opener() as image:
        return read_mask(image, palette, name)


def _as_masks(masks: NDArray[np.generic], name: str, path: Path) -> NDArray[np.generic]:
    """Return masks as (N, H, W)."""
    if masks.ndim == 4 and masks.shape[-1] == 1:
        masks = masks[..., 0]
    if masks.ndim != 3:
        raise DataError(
            f"`{name}` of {path} must hold masks (N, H, W), a class label for each pixel, got "
            f"{masks.shape}; of one-hot masks give the argmax over the classes"
        )
    return masks


__all__ = ["MaskedNpzSource", "PairedSource", "masked_source"]
