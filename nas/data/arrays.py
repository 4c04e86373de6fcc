"""Images that are arrays already: scikit-learn's digits and ``.npz`` files."""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from plugnas.nas.data.errors import DataError
from plugnas.nas.data.memory import forget
from plugnas.nas.data.npz import read_npz
from plugnas.nas.data.source import PARTS, Listing, Opener
from plugnas.nas.data.stack import MOST, Stack, channels_last

# Part -> the names under which npz files keep (images, labels): Keras', MedMNIST's, and plain.
_NAMES = {
    "train": (
        ("x_train", "y_train"),
        ("train_images", "train_labels"),
        ("images", "labels"),
        ("x", "y"),
    ),
    "validation": (("x_val", "y_val"), ("val_images", "val_labels")),
    "test": (("x_test", "y_test"), ("test_images", "test_labels")),
}


_AT_ONCE = 4096
"""Images of a mapped file that stay in memory at a time."""


class DigitsSource:
    """scikit-learn's digits: 1,797 real handwritten digits of 8 x 8 pixels in 17 greys."""

    name = "digits"
    mirror = False  # a mirrored 2 is no digit

    def identity(self) -> str:
        return f"digits of scikit-learn {version('scikit-learn')}"

    def listing(self) -> Listing:
        labels = self._load()[:, -1]
        return Listing(
            names=[f"digits/{i}" for i in range(len(labels))],
            labels=[int(label) for label in labels],
            parts=[0] * len(labels),
            classes=tuple("0123456789"),
        )

    def openers(self, wanted: Sequence[int]) -> Iterator[tuple[int, Opener]]:
        pixels = np.rint(self._load()[:, :-1].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
        for index in wanted:
            yield index, _array_opener(pixels[index])

    @staticmethod
    def _load() -> NDArray[np.float64]:
        """Return the 64 pixels and the label of each image, (1797, 65).

        ``load_digits`` reads the same file, but to import it takes two seconds in every worker.
        """
        spec = find_spec("sklearn")
        for folder in [] if spec is None else spec.submodule_search_locations or []:
            file = Path(folder) / "datasets" / "data" / "digits.csv.gz"
            if file.is_file():
                return np.loadtxt(file, delimiter=",")
        raise DataError("the digits come with scikit-learn: pip install scikit-learn")


class NpzSource:
    """An ``.npz`` file of images (N, H, W), (N, H, W, C) or (N, C, H, W) and labels (N,).

    The arrays are ``images``/``labels``, ``x``/``y``, ``x_train``/``y_train`` and ``x_test``/
    ``y_test``, or ``train_images``, ``val_images``, ``test_images`` with their labels; bytes
    0..255, or floats in 0..1; 1 to 16 channels, which are taken as they are (three are RGB, a
    fourth is no transparency). ``classes`` may name the classes.
    """

    mirror = False  # nothing says that a mirrored image keeps its class

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.stem
        self._read: dict[str, np.ndarray] | None = None

    def identity(self) -> str:
        state = os.stat(self.path)
        text = f"{self.path.resolve()}|{state.st_size}|{state.st_mtime_ns}|channels as they are"
        return hashlib.sha256(text.encode()).hexdigest()

    def listing(self) -> Listing:
        arrays = self._arrays()
        given = {part: self._pair(arrays, part) for part in PARTS}
        if given["train"] is None:
            raise DataError(
                f"{self.path} holds no images under a known name; expected `images` and `labels` "
                f"(or `x_train` and `y_train`, ...), found {', '.join(arrays) or 'nothing'}"
            )
        labels, parts, names = [], [], []
        for number, part in enumerate(PARTS):
            pair = given[part]
            if pair is None:
                continue
            images, answers = arrays[pair[0]], np.asarray(arrays[pair[1]])
            if answers.ndim == 2 and answers.shape[1] == 1:
                answers = answers[:, 0]
            if answers.ndim != 1 or len(answers) != len(images):
                raise DataError(
                    f"`{pair[1]}` of {self.path} must hold one label per image of `{pair[0]}`, "
                    f"got shapes {answers.shape} and {images.shape}"
                )
            if answers.dtype.kind == "f" and not np.isfinite(answers).all():
                raise DataError(
                    f"{int((~np.isfinite(answers)).sum())} labels in `{pair[1]}` of {self.path} "
                    "are no numbers (NaN or infinite), and every image needs its class; remove "
                    "these images or give them a class"
                )
            labels.append(answers)
            parts += [number] * len(answers)
            names += [f"{pair[0]}[{i}]" for i in range(len(answers))]
        values, index = np.unique(np.concatenate(labels), return_inverse=True)
        return Listing(names, index.tolist(), parts, self._classes(arrays, values))

    def openers(self, wanted: Sequence[int]) -> Iterator[tuple[int, Opener]]:
        arrays = self._arrays()
        given = [pair for part in PARTS if (pair := self._pair(arrays, part)) is not None]
        stacks = [_as_bytes(arrays[pair[0]], pair[0], self.path) for pair in given]
        starts = np.cumsum([0] + [len(stack) for stack in stacks])
        for count, index in enumerate(wanted, start=1):
            stack = int(np.searchsorted(starts, index, side="right")) - 1
            if count % _AT_ONCE == 0:
                forget(stacks[stack])
            yield index, _array_opener(stacks[stack][index - starts[stack]])

    def _arrays(self) -> dict[str, np.ndarray]:
        try:
            if self._read is None:
                self._read = read_npz(self.path)
            return self._read
        except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise DataError(
                f"{self.path} cannot be read as .npz: {error}; write it with "
                "numpy.savez(path, images=..., labels=...), numbers only"
            ) from error

    @staticmethod
    def _pair(arrays: dict[str, np.ndarray], part: str) -> tuple[str, str] | None:
        return next((p for p in _NAMES[part] if p[0] in arrays and p[1] in arrays), None)

    def _classes(self, arrays: dict[str, np.ndarray], values: np.ndarray) -> tuple[str, ...]:
        if "classes" not in arrays:
            return tuple(str(value) for value in values)
        named = [str(name) for name in arrays["classes"]]
        if values.dtype.kind not in "iu" or values.min() < 0 or values.max() >= len(named):
            raise DataError(
                f"the labels of {self.path} must count into its {len(named)} `classes`, got "
                f"values from {values.min()} to {values.max()}"
            )
        return tuple(named[int(value)] for value in values)


def _as_bytes(images: np.ndarray, name: str, path: Path) -> np.ndarray:
    """Return images as uint8 (N, H, W) or (N, H, W, C)."""
    placed = channels_last(images) if images.ndim == 4 else images
    if images.ndim not in (3, 4) or placed is None:
        raise DataError(
            f"`{name}` of {path} must have shape (N, H, W), (N, H, W, C) or (N, C, H, W) with "
            f"C from 1 to {MOST}, got {images.shape}"
        )
    images = placed
    if images.dtype == np.uint8:
        return images
    low, high = (float(images.min()), float(images.max())) if images.size else (0.0, 0.0)
    if images.dtype.kind == "f" and low >= 0 and high <= 1:
        return np.rint(images * 255).astype(np.uint8)
    if images.dtype.kind in "iuf" and low >= 0 and 1 < high <= 255:
        return np.rint(images).astype(np.uint8)
    raise DataError(
        f"`{name}` of {path} must hold bytes 0..255 or floats 0..1, got {images.dtype} from "
        f"{low:g} to {high:g}"
    )


def _array_opener(pixels: np.ndarray) -> Opener:
    squeezed = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels
    if squeezed.ndim == 3 and squeezed.shape[-1] != 3:  # no colours: channels as they are
        return lambda: Stack(squeezed)
    return lambda: PIL.Image.fromarray(np.ascontiguousarray(squeezed))
