"""Mixup and random erasing: what is done to a batch besides moving its images.

Zhang et al., 2018, "mixup: Beyond empirical risk minimization" (arXiv:1710.09412); Zhong et al.,
2020, "Random erasing data augmentation" (arXiv:1708.04896). A copy of this file lies beside an
export's train.py: it imports torch and numpy alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_AREA = (0.02, 1 / 3)
"""Least and largest share of an image that is erased."""
_ASPECT = (0.3, 1 / 0.3)
"""Least and largest height of what is erased, in widths."""


@dataclass(frozen=True)
class Mixed:
    """Labels of images that are ``share`` of their own and the rest of another image each."""

    own: Tensor
    other: Tensor
    share: float

    def __len__(self) -> int:
        return len(self.own)


def draw_shares(alpha: float, count: int, generator: torch.Generator) -> list[float]:
    """Return the share of each batch's own images, from Beta(alpha, alpha)."""
    seed = int(torch.randint(2**31, (1,), generator=generator))
    shares: list[float] = np.random.default_rng(seed).beta(alpha, alpha, count).tolist()
    return shares


def mix(x: Tensor, y: Tensor, share: float) -> tuple[Tensor, Mixed]:
    """Return a batch of which each image is mixed with the one in its place from the end."""
    return share * x + (1 - share) * x.flip(0), Mixed(y, y.flip(0), share)


def draw_boxes(probability: float, count: int, generator: torch.Generator) -> Tensor:
    """Return what is erased of each image: top, left, bottom, right as shares, (count, 4)."""
    hit, area, aspect, down, right = torch.rand(5, count, generator=generator)
    area = _AREA[0] + (_AREA[1] - _AREA[0]) * area
    low, high = np.log(_ASPECT)
    aspect = torch.exp(low + (high - low) * aspect)
    chosen = (hit < probability).float()
    height = (area * aspect).sqrt().clamp(max=1) * chosen
    width = (area / aspect).sqrt().clamp(max=1) * chosen
    top, left = down * (1 - height), right * (1 - width)
    return torch.stack([top, left, top + height, left + width], dim=1)


def erase(x: Tensor, boxes: Tensor) -> Tensor:
    """Return images (B, C, H, W) with 0, the mean of all images, in their boxes (B, 4)."""
    rows = (torch.arange(x.shape[2], device=x.device) + 0.5) / x.shape[2]
    columns = (torch.arange(x.shape[3], device=x.device) + 0.5) / x.shape[3]
    top, left, bottom, right = boxes.to(x.device).T[:, :, None]
    down = (rows >= top) & (rows < bottom)
    across = (columns >= left) & (columns < right)
    return x.masked_fill((down[:, :, None] & across[:, None, :])[:, None], 0)


__all__ = ["Mixed", "draw_boxes", "draw_shares", "erase", "mix"]
