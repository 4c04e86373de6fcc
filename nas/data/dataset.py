"""Images in memory, ready to be trained on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Dataset:
    """Labelled images of one shape and their division into three parts.

    ``images`` is uint8 (N, H, W, C), mapped from a file that all processes share; ``labels`` is
    int64 (N,). ``train``, ``validation`` and ``test`` are int64 indices into them. ``mean`` and
    ``std`` are per channel, of the training images scaled to 0..1. ``mirror`` says whether a
    mirrored image keeps its class. ``skipped`` are (image, reason) of those that could not be
    read; ``notes`` are sentences that the user should see. ``fingerprint`` changes with any of it.
    """

    name: str
    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    train: Tensor
    validation: Tensor
    test: Tensor
    mean: Tensor
    std: Tensor
    mirror: bool
    skipped: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    fingerprint: str

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of an image."""
        _, height, width, channels = self.images.shape
        return channels, height, width

    def part(self, *names: str) -> Tensor:
        """Return the indices of the named parts together."""
        return torch.cat([getattr(self, name) for name in names])

    def on(self, device: torch.device) -> Dataset:
        """Return this data set on a GPU, itself where it is there or would take half its memory."""
        if device.type != "cuda" or self.images.device == device:
            return self
        if 2 * self.images.nbytes > torch.cuda.mem_get_info(device)[0]:
            return self
        names = ("images", "labels", "train", "validation", "test")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})

    def describe(self) -> str:
        """Return one line on what there is."""
        channels, height, width = self.input_shape
        return (
            f"{self.name}: {len(self.classes)} classes, {height}x{width}x{channels}, "
            f"{len(self.train)} train, {len(self.validation)} validation, {len(self.test)} test"
        )
