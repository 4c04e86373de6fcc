"""Shuffle attention of SA-Net."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import GroupNorm, channel_shuffle, common_divisor
from plugnas.modules._registry import register


@register(
    "shuffle_attention",
    slot="attention",
    family="channel_spatial",
    name="Shuffle attention",
    year=2021,
    paper="arXiv:2102.00240",
    origin="github.com/wofmanaf/SA-Net, NOASSERTION",
    choices={"groups": (2, 4, 8, 16, 32, 64)},
    same={"groups": lambda site, s: common_divisor(s["groups"], -(-site.channels // 2))},
    aliases=(
        "SANet",
        "sa_layer",
    ),
)
class ShuffleAttention(nn.Module):
    """Gates half of each channel group by its means, half by its normed map, and shuffles both.

    Each group of C / groups channels is halved: x0 sigmoid(w0 mean(x0) + b0) and
    x1 sigmoid(w1 norm(x1) + b1), norm per channel over H, W, all weights per channel and shared by
    the groups; then the two halves of the C channels are interleaved. (B, C, H, W) -> the same.

    Departs from circulating code (xmu-xiaoma666/External-Attention-pytorch,
    model/attention/ShuffleAttention.py): ``groups`` is a limit, of which the largest divisor of C /
    2 is taken; an odd width gets one more channel, of zeros, which is removed at the end; a 1x1 map
    works at batch 1.
    """

    def __init__(self, channels: int, *, groups: int = 8) -> None:
        super().__init__()
        half = -(-channels // 2)
        self.groups = common_divisor(groups, half)
        width = half // self.groups
        self.channel_weight = nn.Parameter(torch.zeros(width, 1, 1))
        self.channel_bias = nn.Parameter(torch.ones(width, 1, 1))
        self.spatial_weight = nn.Parameter(torch.zeros(width, 1, 1))
        self.spatial_bias = nn.Parameter(torch.ones(width, 1, 1))
        self.norm = GroupNorm(width, width)

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        x = F.pad(x, (0, 0, 0, 0, 0, channels % 2)) if channels % 2 else x
        first, second = x.unflatten(1, (self.groups, -1)).flatten(0, 1).chunk(2, dim=1)
        means = first.mean((2, 3), keepdim=True)
        by_mean = (self.channel_weight * means + self.channel_bias).sigmoid()
        by_place = (self.spatial_weight * self.norm(second) + self.spatial_bias).sigmoid()
        y = torch.cat([first * by_mean, second * by_place], dim=1)
        y = channel_shuffle(y.unflatten(0, (-1, self.groups)).flatten(1, 2), 2)
        return y[:, :channels]  # the last of the shuffled channels is the one that was added
