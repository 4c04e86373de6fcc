"""What a frozen host makes of every image, computed once and shared by all trials of a machine.

Files lie in the image cache, named by a digest of all that decides them: images, the weights before
the cut, precision. Every worker maps the same file into memory.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from plugnas.nas.data import DataError
from plugnas.nas.data.cache import cache_folder
from plugnas.nas.machine.files import write_whole
from plugnas.nas.proxy.batches import Batches, steps_per_epoch

_BATCH = 128
MOST = 2 * 2**30
"""Bytes of features above which they are computed anew with every batch."""
_KEPT = 4 * MOST  # bytes of files beyond which the oldest go


@dataclass(frozen=True)
class Features:
    """Batches of features in place of images: the same rows in the same order, never moved."""

    tensors: tuple[Tensor, ...]
    labels: Tensor
    place: Tensor  # image -> row of the features
    device: torch.device

    def plain(self, indices: Tensor) -> tuple[Any, Tensor]:
        """Return (features, labels) of some images."""
        rows = self.place[indices.cpu()]
        taken = tuple(t[rows].to(self.device).float() for t in self.tensors)
        return taken, self.labels[rows].to(self.device)

    def epoch(
        self, indices: Tensor, batch_size: int, generator: torch.Generator, skip: int = 0
    ) -> Iterator[tuple[Any, Tensor]]:
        """Yield the shuffled batches of one epoch, without the first ``skip`` of them.

        Args:
            indices: the images.
            batch_size: images in a batch, about.
            generator: the order's random numbers.
            skip: batches left out at the beginning.
        """
        order = indices[torch.randperm(len(indices), generator=generator).to(indices.device)]
        count = steps_per_epoch(len(order), batch_size)
        for i in range(skip, count):
            yield self.plain(order[len(order) * i // count : len(order) * (i + 1) // count])


def features_of(
    before: fx.GraphModule,
    batches: Batches,
    indices: Tensor,
    about: str,
    compute: Callable[[Callable[..., Any]], contextlib.AbstractContextManager[Any]],
) -> Features | None:
    """Return the features of some images: kept from before, or computed now; None if too many.

    Args:
        before: the half of a network that learns nothing (``cut``), a tuple of tensors out.
        batches: makes the images.
        indices: which images.
        about: what decides the images: the data's fingerprint, resolution, precision.
        compute: the context in which the network computes (its precision).
    """
    rows = indices.unique().cpu()
    with torch.inference_mode(), compute(before):
        x, _ = batches.plain(rows[:2].to(indices.device))
        example = before(x)
    size = sum(t[0].numel() * 4 for t in example) * len(rows)
    if size > MOST:
        return None
    place = torch.full((int(rows.max()) + 1,), -1)
    place[rows] = torch.arange(len(rows))
    paths = _paths(before, rows, about, len(example))
    kept = _read(paths)
    labels = torch.cat([batches.labels_of(part) for part in rows.split(4096)]).cpu()
    if kept is None:
        kept = _computed(before, batches, rows.to(indices.device), compute)
        _keep(paths, kept)
    return Features(kept, labels, place, x.device)


def _computed(
    before: fx.GraphModule, batches: Batches, rows: Tensor, compute: Any
) -> tuple[Any, ...]:
    found: list[Tensor] = []
    with torch.inference_mode(), compute(before):
        for number, part in enumerate(rows.split(_BATCH)):
            made = before(batches.plain(part)[0])
            if not found:
                found = [torch.empty((len(rows), *t.shape[1:])) for t in made]
            for whole, t in zip(found, made, strict=True):
                whole[number * _BATCH : number * _BATCH + len(part)] = t.float().cpu()
    return tuple(t.clone() for t in found)


def _paths(before: fx.GraphModule, rows: Tensor, about: str, count: int) -> list[Path]:
    digest = hashlib.blake2b(about.encode(), digest_size=12)
    digest.update(before.code.encode())
    digest.update(rows.numpy().tobytes())
    for name, tensor in before.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    with contextlib.suppress(DataError):
        folder = cache_folder() / "features"
        return [folder / f"{digest.hexdigest()}-{n}.npy" for n in range(count)]
    return []


def _read(paths: list[Path]) -> tuple[Tensor, ...] | None:
    try:  # "c": a mapping that may be written to changes no file
        found = tuple(torch.from_numpy(np.load(path, mmap_mode="c")) for path in paths)
    except (OSError, ValueError, EOFError):
        return None
    return found or None


def _keep(paths: list[Path], tensors: tuple[Tensor, ...]) -> None:
    """Write the files; on a full disk nothing is shared."""
    with contextlib.suppress(OSError):
        for path, tensor in zip(paths, tensors, strict=False):
            write_whole(path, lambda file, values=tensor: _save(file, values))  # type: ignore[misc]
        _prune(paths)


def _save(file: Path, values: Tensor) -> None:
    with file.open("wb") as stream:
        np.save(stream, values.numpy())


def _prune(kept: list[Path]) -> None:
    files = []
    for path in kept[0].parent.glob("*.npy") if kept else ():
        with contextlib.suppress(OSError):  # another process may have taken it
            found = path.stat()
            files.append((found.st_mtime, found.st_size, path))
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files, key=lambda file: file[0]):
        if total > _KEPT and path not in kept:
            path.unlink(missing_ok=True)
            total -= size


__all__ = ["Features", "features_of"]
