"""Batches of images as a network takes them: one gather, one scaling, no work per image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from plugnas.nas.data import IGNORED, Dataset
from plugnas.nas.data.split import stratified
from plugnas.nas.proxy.mixing import Mixed, draw_boxes, draw_shares, erase, mix
from plugnas.nas.proxy.moves import Moves, moved
from plugnas.nas.proxy.recipe import Recipe, RecipeError

EXAMPLES = 3
"""Scored images with masks of which a network's answers are kept."""


class Batches:
    """Makes batches of a data set for one recipe on a device, wherever the images lie."""

    def __init__(self, dataset: Dataset, recipe: Recipe, device: torch.device) -> None:
        _, height, width = dataset.input_shape
        if recipe.resolution is not None and recipe.resolution > height:
            raise RecipeError(
                f"`resolution` {recipe.resolution} is above the {height} pixels of "
                f"{dataset.name}; load it with a larger `data.size`"
            )
        rows = height if recipe.resolution is None else recipe.resolution
        self.size = (rows, max(1, round(width * rows / height)))
        self.shift = max(1, min(self.size) // 8) if recipe.shift is None else recipe.shift
        self.mirror = dataset.mirror if recipe.mirror is None else recipe.mirror
        self.zoom = recipe.zoom
        self.mixup, self.erasing = recipe.mixup, recipe.erasing
        if dataset.masked and (recipe.mixup or recipe.erasing):
            name = "mixup" if recipe.mixup else "erasing"
            raise RecipeError(f"`{name}` is for images with labels, and {dataset.name} has masks")
        self._device = device
        self._scale = (1 / (255 * dataset.std)).to(device)
        self._offset = (-dataset.mean / dataset.std).to(device)
        self._images = dataset.images
        self._labels = dataset.labels

    def plain(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Return (images (B, C, H, W) in channels_last, labels (B,) or (B, H, W)) as they are."""
        return self._finish(self._take(indices)), self.labels_of(indices).to(self._device)

    def labels_of(self, indices: Tensor) -> Tensor:
        """Return the labels of some images; masks at the recipe's resolution, nearest label."""
        labels = self._labels[indices.to(self._labels.device)]
        if labels.ndim <= 2 or tuple(labels.shape[1:3]) == self.size:
            return labels
        rows, columns = (
            ((torch.arange(new, device=labels.device) + 0.5) * old / new).long()
            for new, old in zip(self.size, labels.shape[1:3], strict=True)
        )
        return labels[:, rows][:, :, columns]

    def moved(self, indices: Tensor, moves: Moves) -> tuple[Tensor, Tensor]:
        """Return the same, shifted over a black border, mirrored and zoomed; masks likewise.

        What comes into a mask from outside counts nowhere.
        """
        pixels = moved(self._take(indices), self.shift, moves)
        labels = self.labels_of(indices).to(self._device)
        if labels.ndim > 2:
            known = (IGNORED - labels)[..., None]  # 0, what moves in, is what counts nowhere
            labels = IGNORED - moved(known, self.shift, moves, labels=True)[..., 0].to(labels.dtype)
        return self._finish(pixels), labels

    def epoch(
        self, indices: Tensor, batch_size: int, generator: torch.Generator, skip: int = 0
    ) -> Iterator[tuple[Tensor, Tensor | Mixed]]:
        """Yield the shuffled, moved batches of one epoch, without the first ``skip`` of them.

        Every image comes once; batches differ in size by at most one. With mixup the labels are
        those of both images.

        Args:
            indices: the images.
            batch_size: images in a batch, about.
            generator: the order's random numbers.
            skip: batches left out at the beginning.
        """
        order = indices[torch.randperm(len(indices), generator=generator).to(indices.device)]
        moves = Moves.draw(len(order), self.shift, generator, mirror=self.mirror, zoom=self.zoom)
        moves = moves.to(self._device)
        count = steps_per_epoch(len(order), batch_size)
        boxes = draw_boxes(self.erasing, len(order), generator) if self.erasing else None
        shares = draw_shares(self.mixup, count, generator) if self.mixup else None
        for i in range(skip, count):
            rows = slice(len(order) * i // count, len(order) * (i + 1) // count)
            x, y = self.moved(order[rows], moves[rows])
            x = x if boxes is None else erase(x, boxes[rows])
            yield (x, y) if shares is None else mix(x, y, shares[i])

    def _take(self, indices: Tensor) -> Tensor:
        """Return pixels (B, H, W, C) at the recipe's resolution, bytes or their averages."""
        pixels = self._images[indices].to(self._device)
        if tuple(pixels.shape[1:3]) == self.size:
            return pixels
        small = F.interpolate(pixels.permute(0, 3, 1, 2).float(), size=self.size, mode="area")
        return small.permute(0, 2, 3, 1)

    def _finish(self, pixels: Tensor) -> Tensor:
        # NHWC in memory seen as (B, C, H, W) is what torch calls channels_last.
        return (pixels * self._scale + self._offset).permute(0, 3, 1, 2)


def steps_per_epoch(images: int, batch_size: int) -> int:
    """Return the number of batches nearest to ``batch_size`` that hold every image once."""
    return max(1, round(images / batch_size))


def spread(indices: Tensor, count: int) -> Tensor:
    """Return at most ``count`` of some indices, evenly spread over them."""
    chosen = torch.linspace(0, len(indices) - 1, min(count, len(indices))).round().long()
    return indices[chosen.to(indices.device)]


def some(dataset: Dataset, parts: Sequence[str], count: int | None, seed: int) -> Tensor:
    """Return the indices of the parts, or ``count`` of them by class in proportion.

    Args:
        dataset: the images.
        parts: names of its parts.
        count: how many; None for all.
        seed: draws them.
    """
    indices = dataset.part(*parts)
    if count is not None and count < len(indices):
        chosen = stratified(dataset.strata[indices].cpu().numpy(), count, seed)
        indices = indices[torch.from_numpy(chosen).to(indices.device)]
    return indices
