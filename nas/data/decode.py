"""Opening the images of a source, large ones by threads, and writing them as bytes of one shape."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from plugnas.nas.data.memory import forget
from plugnas.nas.data.near_duplicates import COLUMNS, ROWS, small_copies
from plugnas.nas.data.pixels import to_bytes
from plugnas.nas.data.source import Opener, Source
from plugnas.nas.data.stack import Stack
from plugnas.nas.machine.work import counted

T = TypeVar("T")
Bytes = NDArray[np.uint8]

_FIRST = 16  # images by which it is found whether threads pay
_BATCH = 256  # images that threads have at a time, each an equal share
_SMALL = 2e-3
"""Seconds of an image below which one thread is quicker than several: most of a small image's work
is Python's own, which threads can only take turns at (100,000 JPEG files of 32 x 32: 71 s by two
threads, experiments/records/2026-11-27_scale.md)."""
_HELD = 2**26  # bytes of unpacked files that wait to be decoded
_LOOKED_AT = 2**22  # bytes of images whose sums and small copies are worked out together
_KEPT = 2**25  # bytes of images that are written before their pages are let go


def each(
    source: Source, wanted: list[int], work: Callable[[PIL.Image.Image | Stack], T]
) -> Iterator[tuple[int, T | str]]:
    """Yield (index, ``work`` of that image or why it is broken), by threads where they pay."""

    def one(pair: tuple[int, Opener]) -> tuple[int, T | str]:
        index, opener = pair
        try:
            with opener() as image:
                return index, work(image)
        except (OSError, ValueError, SyntaxError, EOFError, PIL.Image.DecompressionBombError) as e:
            return index, f"{type(e).__name__}: {e}" if str(e) else type(e).__name__

    def some(pairs: list[tuple[int, Opener]]) -> list[tuple[int, T | str]]:
        return [one(pair) for pair in pairs]

    openers, count = source.openers(wanted), min(8, os.cpu_count() or 1)
    batch, small = _batch(openers, _FIRST), True
    while batch and small:
        begun = time.perf_counter()
        done = some(batch)
        small = time.perf_counter() - begun < _SMALL * len(batch)
        yield from done
        batch = _batch(openers, _BATCH)
    with ThreadPoolExecutor(count) as pool:
        while batch:
            share = -(-len(batch) // count)  # small images take less time than handing one over
            shares = [batch[at : at + share] for at in range(0, len(batch), share)]
            for done in pool.map(some, shares):
                yield from done
            batch = _batch(openers, _BATCH)


def _batch(openers: Iterator[tuple[int, Opener]], most: int) -> list[tuple[int, Opener]]:
    """Return the next openers: a number of them, or fewer where they keep files in memory."""
    batch, held = [], 0
    for index, opener in islice(openers, most):
        batch.append((index, opener))
        held += getattr(opener, "size", 0)
        if held > _HELD:
            break
    return batch


def write_images(
    source: Source,
    wanted: list[int],
    shape: tuple[int, int, int],
    mode: str,
    work: Path,
    broken: dict[int, str],
) -> list[int]:
    """Write ``images.npy``, ``sums.npy`` and ``small.npy``; return the indices written.

    Args:
        source: of the images.
        wanted: which of them.
        shape: (H, W, C) of all.
        mode: how another size becomes it.
        work: the folder.
        broken: why which image cannot be read; those that are met here are added.
    """
    size, grey = shape[:2], shape[2] == 1
    path = work / "images.npy"
    images = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(len(wanted), *shape))

    def decoded(image: PIL.Image.Image | Stack) -> Bytes:
        if isinstance(image, Stack):
            return image.to_bytes(size, mode)
        return to_bytes(image, size, grey=grey, mode=mode)

    places = {index: place for place, index in enumerate(wanted)}
    done = np.zeros(len(wanted), dtype=bool)
    found = counted(each(source, wanted, decoded), f"decoding {source.name}", len(wanted))
    lot = max(1, _KEPT // max(1, images[:1].nbytes))
    for number, (index, result) in enumerate(found, start=1):
        if isinstance(result, str):
            broken[index] = result
            continue
        images[places[index]], done[places[index]] = result, True
        if number % lot == 0:
            forget(images)
    rows = [int(row) for row in np.flatnonzero(done)]
    if len(rows) < len(wanted):  # close the gaps that images broken in their middle left
        for place, row in enumerate(rows):
            images[place] = images[row]
        images.flush()
        kept = np.load(path, mmap_mode="r")[: len(rows)]
        np.save(work / "kept.npy", kept)
        (work / "kept.npy").replace(path)
    images.flush()
    sums, small = _looks(images[: len(rows)])
    np.save(work / "sums.npy", sums)
    np.save(work / "small.npy", small)
    return [wanted[row] for row in rows]


def _looks(images: Bytes) -> tuple[NDArray[np.float64], Bytes]:
    """Return (N, C, 2), sum and sum of squares of each channel in 0..1, and small grey copies."""
    count, channels = len(images), images.shape[3]
    sums = np.zeros((count, channels, 2))
    small = np.zeros((count, ROWS, COLUMNS), np.uint8)
    step = max(1, _LOOKED_AT // max(1, images[:1].nbytes))
    for start in range(0, count, step):
        some = np.asarray(images[start : start + step])
        pixels = some.reshape(len(some), -1, channels)
        sums[start : start + step, :, 0] = pixels.sum(axis=1, dtype=np.int64) / 255
        squares = np.einsum("npc,npc->nc", pixels, pixels, dtype=np.int64, casting="safe")
        sums[start : start + step, :, 1] = squares / 255**2
        small[start : start + step] = small_copies(some)
        forget(images)
    return sums, small


__all__ = ["each", "write_images"]
