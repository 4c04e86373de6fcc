"""Any classification set of ``torchvision.datasets``."""

from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from plugnas.modules import did_you_mean
from plugnas.nas.data.errors import DataError
from plugnas.nas.data.source import PARTS, Listing, Opener
from plugnas.nas.machine.work import counted

_SPLITS = {"train": ("train", "trainval"), "validation": ("val", "valid"), "test": ("test",)}
# Sets of written signs, of which a mirrored one is another or none.
_NOT_MIRRORED = frozenset(
    [
        "MNIST",
        "EMNIST",
        "KMNIST",
        "QMNIST",
        "USPS",
        "SVHN",
        "SEMEION",
        "Omniglot",
        "GTSRB",
        "RenderedSST2",
        "MovingMNIST",
    ]
)


class TorchvisionSource:
    """A set by its class name, with its files under ``root``.

    Args:
        name: the class in ``torchvision.datasets``.
        root: the folder of its files.
        options: further arguments of the class.
        download: whether it may be downloaded.
    """

    def __init__(self, name: str, root: Path, options: dict[str, Any], *, download: bool) -> None:
        self.name = name
        self.root = root
        self.options = options
        self.download = download
        self.mirror = name not in _NOT_MIRRORED
        self._sets: list[tuple[int, Any]] | None = None

    def identity(self) -> str:
        digest = hashlib.sha256(f"{self.name}|{self.root}|{sorted(self.options.items())}".encode())
        for base, _, files in sorted(os.walk(self.root)):
            for file in sorted(files):
                state = os.stat(os.path.join(base, file))
                digest.update(f"{base}/{file}|{state.st_size}|{state.st_mtime_ns}\n".encode())
        return digest.hexdigest()

    def listing(self) -> Listing:
        labels, parts, names = [], [], []
        for part, dataset in self._open():
            what = f"reading the labels of {self.name} ({PARTS[part]})"
            for index in counted(range(len(dataset)), what, len(dataset)):
                labels.append(self._label(dataset[index]))
                parts.append(part)
                names.append(f"{self.name} {PARTS[part]}[{index}]")
        values = sorted(set(labels))
        declared = getattr(self._open()[0][1], "classes", None)
        if declared is not None and values and values[-1] < len(declared) and values[0] >= 0:
            classes = tuple(str(declared[value]) for value in values)
        else:
            classes = tuple(str(value) for value in values)
        index_of = {value: i for i, value in enumerate(values)}
        return Listing(names, [index_of[label] for label in labels], parts, classes)

    def openers(self, wanted: Sequence[int]) -> Iterator[tuple[int, Opener]]:
        opened = self._open()
        starts = np.cumsum([0] + [len(dataset) for _, dataset in opened])
        for index in wanted:
            which = int(np.searchsorted(starts, index, side="right")) - 1
            yield index, _item_opener(opened[which][1], int(index - starts[which]))

    def _label(self, item: Any) -> int:
        image, label = item[0], item[1]
        is_number = isinstance(label, int | np.integer) and not isinstance(label, bool)
        if len(item) != 2 or not isinstance(image, PIL.Image.Image) or not is_number:
            raise DataError(
                f"torchvision's {self.name} is no set of (image, class) pairs; plugnas searches "
                "networks for classification"
            )
        return int(label)

    def _open(self) -> list[tuple[int, Any]]:
        """Return (part, dataset) for every part the set has; one without parts is all train."""
        if self._sets is None:
            parameters = inspect.signature(_class_of(self.name)).parameters
            if "train" in parameters and "train" not in self.options:
                given = [(0, self._make(train=True)), (2, self._make(train=False))]
            elif "split" in parameters and "split" not in self.options:
                given = self._splits()
            else:
                given = [(0, self._make())]
            self._sets = [(part, dataset) for part, dataset in given if dataset is not None]
        return self._sets

    def _splits(self) -> list[tuple[int, Any]]:
        found = []
        for number, part in enumerate(PARTS):
            for name in _SPLITS[part]:
                dataset = self._make(split=name)
                if dataset is not None:
                    found.append((number, dataset))
                    break
        if not found or found[0][0] != 0:
            raise DataError(
                f"torchvision's {self.name} has no split named train; say which in "
                "`options: {split: ...}`"
            )
        return found

    def _make(self, **part: Any) -> Any:
        """Build the set; None where it does not know the split that was asked for."""
        kind = _class_of(self.name)
        parameters = inspect.signature(kind).parameters
        arguments: dict[str, Any] = {**part, **self.options}
        if "root" in parameters:
            arguments["root"] = str(self.root)
        if "download" in parameters:
            arguments["download"] = self.download
        try:
            return kind(**arguments)
        except (ValueError, TypeError) as error:
            if "split" in part and "nknown value" in str(error):
                return None
            raise DataError(f"torchvision's {self.name}: {error}; see `data.options`") from error
        except (RuntimeError, OSError) as error:
            remedy = "" if self.download else ", or set `data.download: true`"
            raise DataError(
                f"torchvision's {self.name} was not found under {self.root} ({error}); put it "
                f"there{remedy}"
            ) from error


def known_sets() -> list[str]:
    """Return the names of the sets that torchvision has."""
    import torchvision.datasets

    return [
        name
        for name in torchvision.datasets.__all__
        if name not in ("ImageFolder", "DatasetFolder")
    ]


def _class_of(name: str) -> Any:
    import torchvision.datasets

    if name not in known_sets():
        raise DataError(f"torchvision has no dataset `{name}`{did_you_mean(name, known_sets())}")
    return getattr(torchvision.datasets, name)


def _item_opener(dataset: Any, index: int) -> Opener:
    return lambda: dataset[index][0]
