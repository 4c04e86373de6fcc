"""Outlook attention of VOLO."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import common_divisor, conv2d
from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site


def _same(site: Site, setting: Setting) -> dict[str, int]:
    """On one pixel every stride gives one place."""
    return {"stride": 1} if max(site.height, site.width) == 1 else {}


@register(
    "outlook",
    slot="attention",
    family="dynamic",
    name="Outlook attention",
    year=2021,
    paper="arXiv:2106.13112",
    choices={"stride": (1, 2)},
    same=_same,
    aliases=("VOLO", "Outlooker"),
    origin="github.com/sail-sg/volo, Apache-2.0",
)
class OutlookAttention(nn.Module):
    """Mixes each k x k window by weights that a linear map makes from the pixel in its middle.

    At each place of a grid of the given stride, per head: A = softmax over its rows of a k^2 x k^2
    matrix, made by a 1x1 conv (bias) of the mean of stride x stride pixels and divided by sqrt(d);
    A times the k^2 values around the place; where windows overlap, results are added; then a 1x1
    conv (bias). Values are a 1x1 conv of x without bias, zero outside the map. There are C // d
    heads, d = ``head_channels``, or the next smaller number that divides C.
    (B, C, H, W) -> the same; any size, whatever the stride.

    Args:
        channels: C, channels of the map.
        stride: pixels from one place of the grid to the next, at least 1.
        head_channels: d, channels of a head, roughly: there are about C // d heads.
        kernel_size: k, side of a window in pixels, odd.
    """

    def __init__(
        self, channels: int, *, stride: int = 2, head_channels: int = 32, kernel_size: int = 3
    ) -> None:
        super().__init__()
        self.stride, self.kernel_size = stride, kernel_size
        self.heads = common_divisor(max(1, channels // head_channels), channels)
        self.value = conv2d(channels, channels)
        self.weights = conv2d(channels, self.heads * kernel_size**4, bias=True)
        self.out = conv2d(channels, channels, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        k, s = self.kernel_size, self.stride
        values = F.unfold(self.value(x), k, padding=k // 2, stride=s)  # (B, C k^2, places)
        values = values.unflatten(1, (self.heads, -1, k * k))
        centres = F.avg_pool2d(x, s, stride=s, ceil_mode=True) if s > 1 else x
        logits = self.weights(centres).flatten(2).unflatten(1, (self.heads, k * k, k * k))
        shares = (logits * values.shape[2] ** -0.5).softmax(3)  # (B, heads, k^2, k^2, places)
        mixed = torch.einsum("bhqkn,bhdkn->bhdqn", shares, values).flatten(1, 3)
        return self.out(F.fold(mixed, x.shape[-2:], k, padding=k // 2, stride=s))
