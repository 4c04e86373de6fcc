"""Efficient multi-scale attention with cross-spatial learning."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._parts import GroupNorm, common_divisor
from plugnas.modules._registry import register
from plugnas.modules._same import channel_groups


@register(
    "ema",
    slot="attention",
    family="multi_scale",
    name="Efficient multi-scale attention",
    year=2023,
    paper="arXiv:2305.13563",
    origin="github.com/YOLOonMe/EMA-attention-module, NOASSERTION",
    choices={"groups": (4, 8, 16, 32)},
    same={"groups": channel_groups()},
    aliases=(
        "EMAAttention",
        "EfficientMultiScaleAttention",
    ),
)
class EfficientMultiScaleAttention(nn.Module):
    """Gates pixels, group by group, by products of a directional 1x1 and a 3x3 branch.

    Each group u of c = C / groups channels, same weights for all: r, s = a shared 1x1 conv of the
    means over W and over H; x1 = norm(u sigmoid(r) sigmoid(s)), each channel normed on its own;
    x2 = 3x3 conv of u; gate = sigmoid(softmax_c(mean x1) . x2 + softmax_c(mean x2) . x1), one
    value per pixel; y = u gate. (B, C, H, W) -> the same.

    Departs from circulating code (z1069614715/objectdetection_script, cv-attention/EMA.py):
    ``groups`` is a limit, of which the largest divisor of the width is taken; a 1x1 map works at
    batch 1.
    """

    def __init__(self, channels: int, *, groups: int = 8) -> None:
        super().__init__()
        self.groups = common_divisor(groups, channels)
        width = channels // self.groups
        self.directional = nn.Conv2d(width, width, 1)
        self.norm = GroupNorm(width, width)
        self.local = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        u = x.unflatten(1, (self.groups, -1)).flatten(0, 1)  # (B groups, c, H, W)
        first, second = self._directional(u), self.local(u)
        gate = self._cross(first, second) + self._cross(second, first)
        y = u * gate.unflatten(2, u.shape[-2:]).sigmoid()
        return y.unflatten(0, (-1, self.groups)).flatten(1, 2)

    def _directional(self, u: Tensor) -> Tensor:
        rows = u.mean(3, keepdim=True)  # (., c, H, 1)
        columns = u.mean(2, keepdim=True).transpose(2, 3)  # (., c, W, 1)
        mixed = self.directional(torch.cat([rows, columns], dim=2)).sigmoid()
        rows, columns = mixed.split([u.shape[2], u.shape[3]], dim=2)
        return self.norm(u * rows * columns.transpose(2, 3))

    @staticmethod
    def _cross(source: Tensor, target: Tensor) -> Tensor:
        """Weigh target's channels by source's mean: (., 1, H W)."""
        weights = source.mean((2, 3)).softmax(1).unsqueeze(1)
        return torch.matmul(weights, target.flatten(2))
