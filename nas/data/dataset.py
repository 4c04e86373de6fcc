"""Images in memory, ready to be trained on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Dataset:
    """Labelled images of one shape and their division into three parts.

    ``images`` is uint8 (N, H, W, C), mapped from a file that all processes share; ``labels`` is
    int64 (N,). Where an image may have several they are uint8 (N, classes), 0 and 1; of images with
    masks uint8 (N, H, W), mapped too, in which 255 is the label of what counts nowhere; ``pixels``
    then counts them, int64 (N, classes + 1), the last what counts nowhere. ``train``,
    ``validation`` and ``test`` are int64 indices into them. ``mean`` and ``std`` are per channel,
    of the training images scaled to 0..1. ``mirror`` says whether a mirrored image keeps its class,
    ``resize`` how images of another size became this one (`pixels.resized`).
    ``skipped`` are (image, reason) of those that could not be read; ``notes`` are sentences that
    the user should see. ``fingerprint`` changes with any of it.
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
    pixels: Tensor | None = None
    resize: str = "crop"

    @property
    def masked(self) -> bool:
        """Whether every image has a mask, not one label."""
        return self.pixels is not None

    @property
    def strata(self) -> Tensor:
        """By what a subset keeps its proportions, int64 (N,): classes, sets of labels, or one."""
        if self.labels.ndim == 1:
            return self.labels
        if self.labels.ndim == 2:
            return torch.unique(self.labels, dim=0, return_inverse=True)[1]
        return torch.zeros(len(self.labels), dtype=torch.int64, device=self.labels.device)

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
        masks = " in masks" if self.masked else ""
        masks = ", several for an image" if self.labels.ndim == 2 else masks
        return (
            f"{self.name}: {len(self.classes)} classes{masks}, {height}x{width}x{channels}, "
            f"{len(self.train)} train, {len(self.validation)} validation, {len(self.test)} test"
        )
