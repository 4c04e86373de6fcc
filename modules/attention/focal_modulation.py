"""Focal modulation."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import conv2d
from plugnas.modules._registry import register


@register(
    "focal_modulation",
    slot="attention",
    family="multi_scale",
    name="Focal modulation",
    year=2022,
    paper="arXiv:2203.11926",
    choices={"levels": (2, 3, 4), "window": (3, 5)},
    aliases=("FocalModulation", "FocalNet"),
    origin="github.com/microsoft/FocalNet, MIT",
)
class FocalModulation(nn.Module):
    """Multiplies each pixel's query by a gated sum of contexts from near to the whole map.

    q, z_0 (C channels each) and the gates g (``levels`` + 1) = conv1x1 of x; z_l = gelu(depthwise
    conv of z_{l-1}), without bias, k_l = ``window`` + 2 (l - 1) taps per side; the last level is
    gelu(mean of z_L over the map); m = conv1x1(sum_l g_l z_l); y = conv1x1(q m). The 1x1
    convolutions have biases. (B, C, H, W) -> the same.
    """

    def __init__(self, channels: int, *, levels: int = 3, window: int = 3) -> None:
        super().__init__()
        self.split = [channels, channels, levels + 1]
        self.project = nn.Conv2d(channels, sum(self.split), 1)
        self.modulate = nn.Conv2d(channels, channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)
        self.levels = nn.ModuleList(
            conv2d(channels, channels, window + 2 * level, groups=channels)
            for level in range(levels)
        )

    def forward(self, x: Tensor) -> Tensor:
        query, context, gates = self.project(x).split(self.split, dim=1)
        gates = gates.split(1, dim=1)  # each (B, 1, H, W)
        total = torch.zeros_like(query)
        for conv, gate in zip(self.levels, gates[:-1], strict=True):
            context = F.gelu(conv(context))
            total = torch.addcmul(total, context, gate)
        whole = F.gelu(context.mean((2, 3), keepdim=True))
        total = torch.addcmul(total, whole, gates[-1])
        return self.out(query * self.modulate(total))
