"""Spatial-shift attention of S2-MLPv2."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._registry import register


def _shift(x: Tensor, axis: int, step: int) -> Tensor:
    """Move the content one line along an axis; the line that has no source keeps its values."""
    length = x.shape[axis]
    if step > 0:
        return torch.cat([x.narrow(axis, 0, 1), x.narrow(axis, 0, length - 1)], dim=axis)
    return torch.cat([x.narrow(axis, 1, length - 1), x.narrow(axis, length - 1, 1)], dim=axis)


def _shift_quarters(x: Tensor, axes: tuple[int, int]) -> Tensor:
    """Shift quarters of the channels by +1, -1 along the first axis and +1, -1 along the second."""
    quarter = x.shape[1] // 4
    parts = x.split([quarter, quarter, quarter, x.shape[1] - 3 * quarter], dim=1)
    moves = [(axes[0], 1), (axes[0], -1), (axes[1], 1), (axes[1], -1)]
    moved = [_shift(part, *move) for part, move in zip(parts, moves, strict=True)]
    return torch.cat(moved, dim=1)


@register(
    "s2",
    slot="attention",
    family="shift",
    name="S2-MLPv2 spatial-shift attention",
    year=2021,
    paper="arXiv:2108.01072",
    aliases=(
        "S2MLP",
        "S2MLPv2",
        "S2Attention",
    ),
    no_origin="no code of the authors was found in November 2026",
)
class SpatialShift(nn.Module):
    """Mixes three copies of the map, two of them shifted by a pixel, by a softmax per channel.

    [x1, x2, x3] = 1x1 conv C -> 3C; quarters of x1's channels move by +1, -1 along H and +1, -1
    along W, those of x2 along W first; x3 stays. a = sum of the three over all pixels;
    w = softmax over the three of M2 gelu(M1 a), M1: C -> C, M2: C -> 3C without bias;
    y = 1x1 conv of sum_k w_k x_k. (B, C, H, W) -> the same; no norm or residual.

    Departs from circulating code (xmu-xiaoma666/External-Attention-pytorch,
    model/attention/S2Attention.py): any width (it works at 512 only), and the shifts read from an
    unshifted copy (there they overwrite what they read, which copies the first line over the whole
    map).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.expand = nn.Conv2d(channels, 3 * channels, 1)
        self.squeeze = nn.Linear(channels, channels, bias=False)
        self.excite = nn.Linear(channels, 3 * channels, bias=False)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        first, second, third = self.expand(x).chunk(3, dim=1)
        shifted = [_shift_quarters(first, (2, 3)), _shift_quarters(second, (3, 2)), third]
        parts = torch.stack(shifted, dim=1)  # (B, 3, C, H, W)
        z = parts.sum((1, 3, 4))
        weights = self.excite(F.gelu(self.squeeze(z))).unflatten(1, (3, -1)).softmax(1)
        return self.out(torch.einsum("bkc,bkchw->bchw", weights, parts))
