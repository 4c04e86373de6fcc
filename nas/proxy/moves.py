"""Random shifts, mirrorings and zooms of a batch, of images and masks alike."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Moves:
    """Random moves of a number of images.

    Shifts are in pixels, 0 to 2 ``shift``; a ``zoom`` of 2 shows everything twice as large.
    """

    down: Tensor
    right: Tensor
    mirrored: Tensor | None
    zoom: Tensor | None = None

    @classmethod
    def draw(
        cls,
        count: int,
        shift: int,
        generator: torch.Generator,
        *,
        mirror: bool,
        zoom: float = 0.0,
    ) -> Moves:
        """Draw the moves of ``count`` images; zooms lie between 1 / (1 + zoom) and 1 + zoom.

        Args:
            count: how many images.
            shift: the largest shift in pixels.
            generator: random numbers.
            mirror: whether some are mirrored.
            zoom: the largest zoom is 1 + zoom.
        """
        down, right = torch.randint(0, 2 * shift + 1, (2, count), generator=generator)
        flips = torch.rand(count, generator=generator) < 0.5 if mirror else None
        if not zoom:
            return cls(down, right, flips)
        power = 2 * torch.rand(count, generator=generator) - 1
        return cls(down, right, flips, (1 + zoom) ** power)

    def to(self, device: torch.device) -> Moves:
        """Return the moves on a device."""
        found = (None if t is None else t.to(device) for t in self._tensors)
        return Moves(*found)  # type: ignore[arg-type]

    def __getitem__(self, rows: slice) -> Moves:
        """Return the moves of some of the images."""
        found = (None if t is None else t[rows] for t in self._tensors)
        return Moves(*found)  # type: ignore[arg-type]

    @property
    def _tensors(self) -> tuple[Tensor | None, ...]:
        return self.down, self.right, self.mirrored, self.zoom


def moved(pixels: Tensor, shift: int, moves: Moves, *, labels: bool = False) -> Tensor:
    """Return images, or masks with ``labels``, as moved; what comes in from outside is 0.

    Args:
        pixels: (B, H, W, C), bytes or their averages.
        shift: the largest shift.
        moves: those of each image.
        labels: whether the values are labels, of which no mean may be taken.
    """
    if moves.zoom is not None:
        return _zoomed(pixels, shift, moves, labels=labels)
    if shift or moves.mirrored is not None:
        return _cropped(pixels, shift, moves)
    return pixels


def _cropped(pixels: Tensor, shift: int, moves: Moves) -> Tensor:
    """Pad (B, H, W, C) by ``shift`` zeros and cut each image's own window out, in one gather."""
    count, height, width, channels = pixels.shape
    device = pixels.device
    padded = F.pad(pixels, (0, 0, shift, shift, shift, shift))
    rows = moves.down[:, None] + torch.arange(height, device=device)
    columns = torch.arange(width, device=device).expand(count, width)
    if moves.mirrored is not None:
        columns = torch.where(moves.mirrored[:, None], width - 1 - columns, columns)
    columns = columns + moves.right[:, None]
    image = torch.arange(count, device=device)[:, None] * (height + 2 * shift)
    flat = ((image + rows) * (width + 2 * shift))[:, :, None] + columns[:, None, :]
    taken = padded.reshape(-1, channels).index_select(0, flat.reshape(-1))
    return taken.view(count, height, width, channels)


def _zoomed(pixels: Tensor, shift: int, moves: Moves, *, labels: bool) -> Tensor:
    """Read each image at the places of its own move: between pixels linearly, labels nearest."""
    _, height, width, _ = pixels.shape
    zoom = moves.zoom if moves.zoom is not None else torch.ones_like(moves.down)
    y = torch.arange(height, device=pixels.device) - (height - 1) / 2
    x = torch.arange(width, device=pixels.device) - (width - 1) / 2
    across = x.expand(len(pixels), -1)
    if moves.mirrored is not None:
        across = torch.where(moves.mirrored[:, None], -across, across)
    rows = y / zoom[:, None] + (moves.down - shift)[:, None]
    columns = across / zoom[:, None] + (moves.right - shift)[:, None]
    grid = torch.stack(
        [
            (2 / width * columns)[:, None, :].expand(-1, height, -1),
            (2 / height * rows)[:, :, None].expand(-1, -1, width),
        ],
        dim=-1,
    )
    values = pixels.permute(0, 3, 1, 2).float()
    mode = "nearest" if labels else "bilinear"
    return F.grid_sample(values, grid, mode=mode, align_corners=False).permute(0, 2, 3, 1)


__all__ = ["Moves", "moved"]
