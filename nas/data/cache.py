"""Decoding a source once, into files that every process maps into its memory.

A cache entry is a folder with ``images.npy`` (uint8, N x H x W x C), ``labels.npy``, ``parts.npy``,
``sums.npy`` (per image and channel: sum and sum of squares), ``small.npy`` (small grey copies) and
``names.json``, of images with masks what ``mask_cache`` writes, of images with several labels
``marks.npy`` (N, labels), and ``about.json``.
It is written beside its place and renamed, so that no process ever sees half of one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from plugnas.nas.data.decode import each, write_images
from plugnas.nas.data.enough import check_left, check_marks
from plugnas.nas.data.errors import DataError
from plugnas.nas.data.mask_cache import MaskFile
from plugnas.nas.data.memory import check_room
from plugnas.nas.data.pixels import is_grey, upright_size
from plugnas.nas.data.source import PARTS, Listing, MaskedSource, Source
from plugnas.nas.data.spec import DataSpec
from plugnas.nas.data.split import stratified
from plugnas.nas.data.stack import Stack
from plugnas.nas.machine.files import own_folder
from plugnas.nas.machine.lock import NO_LOCKS, locked
from plugnas.nas.machine.work import counted

_FORMAT = 1  # part of the key: raise it when the decoding changes


def cache_folder(wanted: Path | str | None = None) -> Path:
    """Return the folder for decoded images: ``wanted``, $PLUGNAS_CACHE, the user's, or a temporary.

    Raises DataError where a folder that was asked for cannot be written.
    """
    asked = wanted or os.environ.get("PLUGNAS_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    user = f"{tempfile.gettempdir()}/plugnas-{os.getuid()}"
    for place in [asked] if asked else [f"{base}/plugnas/data", user]:
        folder = Path(str(place)).expanduser()
        with contextlib.suppress(OSError):
            if place == user:  # others may write there, so only our own images are read from it
                return own_folder(folder)
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return folder
    raise DataError(f"the image cache {folder} cannot be written; name another in PLUGNAS_CACHE")


def prepared(source: Source, spec: DataSpec, folder: Path) -> Path:
    """Return the cache entry of a source, decoding it if there is none; other processes wait."""
    asked: list[Any] = [spec.shape, spec.colour, spec.limit, spec.limit and spec.seed]
    asked += [] if spec.mode == "crop" else [spec.mode]  # entries of older versions stay
    key = json.dumps([_FORMAT, source.identity(), *asked])
    entry = folder / f"{source.name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    last = entry / "names.json"  # an entry of an older version has none, and is made anew
    if last.exists():
        return entry
    with _locked(entry.with_suffix(".lock")):
        if not last.exists():
            _write(source, spec, entry)
    return entry


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    try:
        lock = locked(path)
    except OSError as error:
        if error.errno in NO_LOCKS:
            raise DataError(
                f"the file system of the image cache {path.parent} has no locks "
                f"({error.strerror}); name a folder on another disk in PLUGNAS_CACHE"
            ) from None
        raise DataError(
            f"the image cache keeps processes apart by {path}, but {error.strerror}; remove it, or "
            "name another cache in PLUGNAS_CACHE"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _write(source: Source, spec: DataSpec, entry: Path) -> None:
    listing = source.listing()
    chosen = _limited(listing, spec)
    sizes, shape, channels, broken = _probe(source, listing, chosen, spec)
    readable = [index for index in chosen if index not in broken]
    planes = channels + isinstance(source, MaskedSource)
    what = f"{len(readable)} images of {shape[0]}x{shape[1]}x{channels}"
    check_room(len(readable) * shape[0] * shape[1] * planes, entry.parent, what)
    work = Path(tempfile.mkdtemp(prefix=entry.name, dir=entry.parent))
    try:
        masks, classes = None, listing.classes
        if isinstance(source, MaskedSource):
            masks = MaskFile(work, shape, spec.mode)
            broken |= masks.read(source, readable, sizes)
            readable, classes = [i for i in readable if i not in broken], masks.classes
        kept = write_images(source, readable, (*shape, channels), spec.mode, work, broken)
        if masks is not None:
            masks.keep(kept)
        about = {
            "name": source.name,
            "mirror": source.mirror,
            "classes": [_printable(name) for name in classes],
            "skipped": [
                [_printable(listing.names[i]), _printable(why)] for i, why in sorted(broken.items())
            ],
            "notes": listing.notes,
        }
        labels, parts = (np.asarray(column)[kept] for column in (listing.labels, listing.parts))
        if listing.marks:
            marks = np.asarray(listing.marks, dtype=np.uint8)[labels]
            check_marks(marks, parts, classes, source.name)
            np.save(work / "marks.npy", marks)
        elif masks is None:
            check_left(labels, parts, classes, broken, source.name)
        elif not (parts == 0).any():
            why = f"{len(broken)} images are left out, such as {next(iter(broken.values()))}"
            raise DataError(f"{source.name} has no image to train on: {why}")
        np.save(work / "labels.npy", labels.astype(np.int64))
        np.save(work / "parts.npy", parts.astype(np.int8))
        if len(listing.groups):
            _, numbers = np.unique(np.asarray(listing.groups), return_inverse=True)
            np.save(work / "groups.npy", numbers[kept].astype(np.int64))
        (work / "about.json").write_text(json.dumps(about))
        names = [_printable(listing.names[i]) for i in kept]
        (work / "names.json").write_text(json.dumps(names))
        shutil.rmtree(entry, ignore_errors=True)
        work.rename(entry)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _printable(name: str) -> str:
    """Return a file's name in which bytes that are no UTF-8 are written out, for any terminal."""
    return name.encode(errors="backslashreplace").decode()


def _limited(listing: Listing, spec: DataSpec) -> list[int]:
    parts = np.asarray(listing.parts)
    chosen: list[np.ndarray] = []
    for number in range(len(PARTS)):
        members = np.flatnonzero(parts == number)
        if spec.limit is not None and len(members):
            labels = np.asarray(listing.labels)[members]
            members = members[stratified(labels, spec.limit, spec.seed)]
        chosen.append(members)
    return [int(index) for index in np.sort(np.concatenate(chosen))]


def _probe(
    source: Source, listing: Listing, chosen: list[int], spec: DataSpec
) -> tuple[dict[int, tuple[int, int]], tuple[int, int], int, dict[int, str]]:
    """Return sizes, the common (height, width), channels, and why which image is broken."""
    sizes: dict[int, tuple[int, int]] = {}
    broken: dict[int, str] = {}
    kinds: set[int] = set()
    looked_at = each(source, chosen, _size_and_channels)
    for index, result in counted(looked_at, f"reading the sizes of {source.name}", len(chosen)):
        if isinstance(result, str):
            broken[index] = result
            continue
        sizes[index] = result[0]
        kinds.add(result[1])
    found = sorted(set(sizes.values()))
    if not found:
        name, reason = (listing.names[chosen[0]], broken[chosen[0]]) if broken else ("", "none")
        raise DataError(
            f"none of the {len(chosen)} images of {source.name} can be read ({name}: {reason})"
        )
    if spec.shape is None and len(found) > 1:
        low, high = min(found), max(found)
        raise DataError(
            f"the images of {source.name} have {len(found)} sizes, from {low[0]}x{low[1]} to "
            f"{high[0]}x{high[1]}, and a network takes one; set `data.size`, for example "
            f"`size: {max(8, min(32, *low))}`; `data.resize` can also pad or stretch them"
        )
    shape = spec.shape or found[0]
    return sizes, shape, _channels(kinds, spec, source.name), broken


def _size_and_channels(image: PIL.Image.Image | Stack) -> tuple[tuple[int, int], int]:
    """Return (height, width) as seen, and 1 for grey, 3 for colour, or an array's channels."""
    if isinstance(image, Stack):
        height, width, channels = image.pixels.shape
        return (height, width), channels
    return upright_size(image), 1 if is_grey(image) else 3


def _channels(kinds: set[int], spec: DataSpec, name: str) -> int:
    """Return the channels of all images: grey among colour becomes colour, arrays must agree."""
    if kinds <= {1, 3}:
        return max(kinds) if spec.colour == "auto" else {"grey": 1, "rgb": 3}[spec.colour]
    if len(kinds) > 1:
        listed = ", ".join(map(str, sorted(kinds)))
        raise DataError(f"the images of {name} have {listed} channels, and a network takes one")
    if spec.colour != "auto":
        raise DataError(
            f"`data.colour` is for images of 1 or 3 channels, but those of {name} have "
            f"{max(kinds)}, which are taken as they are; leave it out"
        )
    return max(kinds)
