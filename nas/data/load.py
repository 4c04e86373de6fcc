"""From what a job says about its images to the images."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from plugnas.modules import did_you_mean
from plugnas.nas.data.arrays import DigitsSource, NpzSource
from plugnas.nas.data.cache import cache_folder, prepared
from plugnas.nas.data.csv_source import CsvSource
from plugnas.nas.data.dataset import Dataset
from plugnas.nas.data.errors import DataError
from plugnas.nas.data.folder import ARCHIVES, ArchiveSource, FolderSource
from plugnas.nas.data.mask_source import masked_source
from plugnas.nas.data.masks import IGNORED, notes_of
from plugnas.nas.data.source import Source
from plugnas.nas.data.spec import DataSpec, looks_like_path, parse
from plugnas.nas.data.split import split
from plugnas.nas.data.torchvision_source import TorchvisionSource, known_sets
from plugnas.nas.data.twins import twins_notes
from plugnas.nas.machine.files import write_text
from plugnas.nas.machine.reading import read_json

_TWINS = 1  # part of the name under which they are kept: raise it when other ones are found


def load(
    spec: DataSpec | Mapping[str, Any] | str,
    *,
    base: Path | str | None = None,
    cache: Path | str | None = None,
) -> Dataset:
    """Return the images that a job's ``data:`` section names, divided into three parts.

    The first call decodes them into ``cache`` (default $PLUGNAS_CACHE or the user's cache folder);
    later calls, in any process, map that file. Relative paths start at ``base``, by default the
    working directory. Raises DataError for bad input.
    """
    spec = parse(spec).at(base)
    _check_masks(spec)
    source = open_source(spec)
    entry = prepared(source, spec, cache_folder(cache))
    return _assemble(entry, spec)


def open_source(spec: DataSpec) -> Source:
    """Return the source that a spec with absolute paths names; reads nothing yet."""
    if spec.root is not None:
        root = Path(spec.root)
        if not spec.download and not root.is_dir():
            raise DataError(
                f"{spec.source} was not found: `data.root` {root} is no folder; set `data: "
                "{download: true}`, or give the folder in which it lies"
            )
        if spec.source not in known_sets():
            raise DataError(
                f"torchvision has no dataset `{spec.source}`"
                f"{did_you_mean(spec.source, known_sets())}"
            )
        return TorchvisionSource(spec.source, root, spec.options, download=spec.download)
    if spec.source == "digits":
        return DigitsSource()
    path = Path(spec.source)
    if not path.exists():
        raise DataError(_missing(spec.source))
    if spec.masks is not None:
        return masked_source(path, spec)
    if path.is_dir():
        return FolderSource(path)
    if path.suffix.lower() in (".csv", ".tsv"):
        return CsvSource(path, _columns(spec))
    if path.suffix.lower() == ".npz":
        return NpzSource(path)
    if path.name.lower().endswith(ARCHIVES):
        return ArchiveSource(path)
    raise DataError(
        f"{path} is no image source; a source is `digits`, a folder, an archive "
        f"({', '.join(ARCHIVES)}), an .npz or .csv file, or a torchvision set with its `root`"
    )


def _check_masks(spec: DataSpec) -> None:
    """Refuse what is said of masks where there can be none."""
    if spec.masks is not None and (spec.root is not None or spec.source == "digits"):
        raise DataError(
            f"{spec.source} has one class for each image and no masks; images with masks are read "
            "from a folder, an archive or an .npz file"
        )
    if spec.masks is None and (spec.palette is not None or spec.ignore != IGNORED):
        name = "ignore" if spec.palette is None else "palette"
        raise DataError(
            f"`data.{name}` is about masks, and these images have one class each; masks are read "
            "under `task: segmentation`, or with `data: {masks: auto}`"
        )


def _columns(spec: DataSpec) -> dict[str, Any]:
    """Return which columns of a CSV file stand for which of ours."""
    return spec.options | ({} if spec.groups is None else {"group": spec.groups})


def _missing(source: str) -> str:
    if not looks_like_path(source):
        if source in known_sets():
            return f"torchvision's {source} needs `data.root`, the folder in which its files lie"
        return (
            f"there is no folder or file `{source}`, and no set of that name"
            f"{did_you_mean(source, ['digits', *known_sets()])}"
        )
    path = Path(source)
    near = [item.name for item in path.parent.iterdir()] if path.parent.is_dir() else []
    return f"{source} does not exist{did_you_mean(path.name, near)}"


def _assemble(entry: Path, spec: DataSpec) -> Dataset:
    about = json.loads((entry / "about.json").read_text())
    labels, parts = np.load(entry / "labels.npy"), np.load(entry / "parts.npy")
    grouped = entry / "groups.npy"
    groups = np.load(grouped) if grouped.exists() else None
    if groups is None and spec.groups is not None:
        raise DataError(f"data.groups names a column of a CSV file, and {about['name']} is none")
    divided = split(labels, parts, spec, groups)
    # Mode "c": pages are shared between processes, and no file is changed by a stray write.
    images = torch.from_numpy(np.load(entry / "images.npy", mmap_mode="c"))
    sums = np.load(entry / "sums.npy")
    mean, std = _moments(sums, divided["train"], images.shape)
    if spec.mean is not None and spec.std is not None:
        mean, std = _given(spec.mean, spec.std, images.shape[3])
    digest = hashlib.sha256(entry.name.encode())
    for part in divided.values():
        digest.update(part.tobytes() + b"|")
    twins = _twins(entry, digest.hexdigest()[:16], sums, divided)
    if spec.mean is not None:
        digest.update(repr((spec.mean, spec.std)).encode())
    if not len(divided["validation"]):
        raise DataError(f"{about['name']} leaves no image for validation; it needs two of a class")
    answers, pixels = torch.from_numpy(labels), None
    if (entry / "masks.npy").exists():
        answers = torch.from_numpy(np.load(entry / "masks.npy", mmap_mode="c"))
        pixels = np.load(entry / "pixels.npy")
    marks = None
    if (entry / "marks.npy").exists():
        marks = np.load(entry / "marks.npy")
        answers = torch.from_numpy(marks)
    return Dataset(
        name=about["name"],
        images=images,
        labels=answers,
        classes=tuple(about["classes"]),
        **{part: torch.from_numpy(indices) for part, indices in divided.items()},
        mean=mean,
        std=std,
        resize=spec.mode,
        mirror=about["mirror"] if spec.mirror is None else spec.mirror,
        skipped=tuple((name, reason) for name, reason in about["skipped"]),
        notes=(*_notes(about, labels, divided, pixels, marks), *twins),
        fingerprint=digest.hexdigest()[:16],
        pixels=None if pixels is None else torch.from_numpy(pixels),
    )


def _twins(
    entry: Path, division: str, sums: np.ndarray, divided: Mapping[str, np.ndarray]
) -> tuple[str, ...]:
    """Return the notes on images that are in two parts: looked for once for each division.

    Every worker and every later start of a search reads what was found.
    """
    kept = entry / f"twins{_TWINS}-{division}.json"
    with contextlib.suppress(OSError, ValueError):
        return tuple(read_json(kept, list[str]))
    images = np.load(entry / "images.npy", mmap_mode="r")
    copies, names = np.load(entry / "small.npy"), json.loads((entry / "names.json").read_text())
    notes = twins_notes(images, sums, copies, divided, names)
    with contextlib.suppress(OSError):  # a cache that may only be read
        write_text(kept, json.dumps(notes))
    return notes


def _given(mean: list[float], std: list[float], channels: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what the job names, a number for each channel."""
    if len(mean) != channels:
        raise DataError(
            f"data.mean and data.std name a number for each channel: the images have {channels}, "
            f"but got {len(mean)}"
        )
    return torch.tensor(mean, dtype=torch.float32), torch.tensor(std, dtype=torch.float32)


def _moments(
    sums: np.ndarray, train: np.ndarray, shape: torch.Size
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and standard deviation per channel of the training images, in 0..1."""
    count = len(train) * shape[1] * shape[2]
    mean, square = (sums[train].sum(0) / count).T
    std = np.sqrt(np.maximum(square - mean**2, 0)).clip(1e-3)  # constant images: no division by 0
    return torch.tensor(mean, dtype=torch.float32), torch.tensor(std, dtype=torch.float32)


def _notes(
    about: Mapping[str, Any],
    labels: np.ndarray,
    divided: Mapping[str, np.ndarray],
    pixels: np.ndarray | None,
    marks: np.ndarray | None,
) -> tuple[str, ...]:
    notes = list(about["notes"])
    skipped, classes = about["skipped"], about["classes"]
    if skipped:
        named = ", ".join(f"{name} ({reason})" for name, reason in skipped[:5])
        more = f" and {len(skipped) - 5} more" if len(skipped) > 5 else ""
        total = len(skipped) + len(labels)
        what = "broken" if pixels is None else "broken, or void in their masks,"
        notes.append(f"{len(skipped)} of {total} images are {what} and were skipped: {named}{more}")
    if pixels is not None:
        return (*notes, *notes_of(pixels, divided, classes))
    for part in ("validation", "test"):
        if not len(divided[part]):
            continue
        own = divided[part]
        if marks is None:
            counts = np.bincount(labels[own], minlength=len(classes))
        else:
            counts = marks[own].sum(0)
        absent = [classes[i] for i in np.flatnonzero(counts == 0)]
        if absent:
            shown = ", ".join(f"`{name}`" for name in absent[:3])
            more = f" and {len(absent) - 3} more" if len(absent) > 3 else ""
            notes.append(f"{part} has no image of {shown}{more}")
    return tuple(notes)
