"""Spatially-adaptive feature modulation."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import resize_like
from plugnas.modules._registry import register


@register(
    "safm",
    slot="attention",
    family="multi_scale",
    name="Spatially-adaptive feature modulation",
    year=2023,
    paper="arXiv:2302.13800",
    origin="github.com/sunny2109/SAFMN, Apache-2.0",
    choices={"levels": (2, 3, 4)},
    aliases=("SAFMN",),
)
class SpatiallyAdaptiveModulation(nn.Module):
    """Multiplies the map by features gathered at several scales, one chunk of channels each.

    Chunk i is max-pooled to (H // 2^i, W // 2^i), convolved depthwise 3x3 and upsampled (nearest)
    back; y = x gelu(1x1 conv of the joined chunks). (B, C, H, W) -> the same.

    Departs from the authors' code (basicsr/archs/safmn_arch.py): chunks may differ by one channel,
    so that any width works, and the pooled size never falls to 0 on small maps.
    """

    def __init__(self, channels: int, *, levels: int = 4) -> None:
        super().__init__()
        count = min(levels, channels)
        self.widths = [channels // count + (i < channels % count) for i in range(count)]
        self.local = nn.ModuleList(nn.Conv2d(c, c, 3, padding=1, groups=c) for c in self.widths)
        self.mix = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        chunks = zip(x.split(self.widths, dim=1), self.local, strict=True)
        gathered = [self._level(i, chunk, conv) for i, (chunk, conv) in enumerate(chunks)]
        return x * F.gelu(self.mix(torch.cat(gathered, dim=1)))

    @staticmethod
    def _level(i: int, chunk: Tensor, conv: nn.Module) -> Tensor:
        if i == 0:
            return conv(chunk)
        height, width = chunk.shape[-2:]
        size = max(1, height // 2**i), max(1, width // 2**i)
        return resize_like(conv(F.adaptive_max_pool2d(chunk, size)), chunk, mode="nearest")
