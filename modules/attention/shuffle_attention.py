"""Shuffle attention of SA-Net."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._parts import GroupNorm, channel_shuffle, common_divisor
from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site
from plugnas.modules.errors import RefusedError


def _refuses(site: Site, setting: Setting) -> str | None:
    if site.channels % 2:
        return f"shuffle_attention halves the channels, but got {site.channels}; take an even width"
    return None


@register(
    "shuffle_attention",
    slot="attention",
    family="channel_spatial",
    name="Shuffle attention",
    year=2021,
    paper="arXiv:2102.00240",
    choices={"groups": (2, 4, 8, 16, 32, 64)},
    refuses=_refuses,
)
class ShuffleAttention(nn.Module):
    """Gates half of each channel group by its means, half by its normed map, and shuffles both.

    Each group of C / groups channels is halved: x0 sigmoid(w0 mean(x0) + b0) and
    x1 sigmoid(w1 norm(x1) + b1), norm per channel over H, W, all weights per channel and shared by
    the groups; then the two halves of the C channels are interleaved. (B, C, H, W) -> the same.

    Departs from circulating code: ``groups`` is a limit, of which the largest divisor of C / 2 is
    taken, which an odd width does not have; a 1x1 map works at batch 1.
    """

    def __init__(self, channels: int, *, groups: int = 8) -> None:
        super().__init__()
        if reason := _refuses(Site(channels, 1, 1), {}):
            raise RefusedError(reason)
        self.groups = common_divisor(groups, channels // 2)
        width = channels // (2 * self.groups)
        self.channel_weight = nn.Parameter(torch.zeros(width, 1, 1))
        self.channel_bias = nn.Parameter(torch.ones(width, 1, 1))
        self.spatial_weight = nn.Parameter(torch.zeros(width, 1, 1))
        self.spatial_bias = nn.Parameter(torch.ones(width, 1, 1))
        self.norm = GroupNorm(width, width)

    def forward(self, x: Tensor) -> Tensor:
        first, second = x.unflatten(1, (self.groups, -1)).flatten(0, 1).chunk(2, dim=1)
        means = first.mean((2, 3), keepdim=True)
        by_mean = (self.channel_weight * means + self.channel_bias).sigmoid()
        by_place = (self.spatial_weight * self.norm(second) + self.spatial_bias).sigmoid()
        y = torch.cat([first * by_mean, second * by_place], dim=1)
        return channel_shuffle(y.unflatten(0, (-1, self.groups)).flatten(1, 2), 2)
