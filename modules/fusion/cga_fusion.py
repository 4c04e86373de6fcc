"""Content-guided attention fusion of DEA-Net."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import (
    channel_mean_max,
    conv2d,
    first_alike,
    hidden_width,
    resize_like,
)
from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site

_MARGIN = 3
_REDUCTIONS = (4, 8, 16)


def _same(site: Site, setting: Setting) -> Setting:
    def width(reduction: int) -> int:
        return hidden_width(site.channels, reduction)

    return {"reduction": first_alike(_REDUCTIONS, setting["reduction"], width)}


@register(
    "cga_fusion",
    slot="fusion",
    family="channel_spatial",
    name="DEA-Net content-guided attention fusion",
    year=2023,
    paper="arXiv:2301.04805",
    choices={"reduction": _REDUCTIONS},
    same=_same,
    aliases=("CGAFusion", "ContentGuidedAttentionFusion", "DEANet"),
    origin="github.com/cecret3350/DEA-Net, NOASSERTION",
)
class ContentGuidedFusion(nn.Module):
    """Mixes two maps with a share for each value, made from coarse attention and the content.

    z = x + y; coarse attention A = conv 7 x 7([mean, max over the channels of z]) + W2 relu(W1
    mean(z)), W1 C -> max(1, C // reduction), one value per pixel plus one per channel; share S =
    sigmoid(sigmoid(conv 7 x 7 of the pairs (z_c, A_c), one filter per channel c)); out = 1x1(z +
    S x + (1 - S) y). All convolutions have biases; the 7 x 7 ones see the map mirrored at its
    border. x (B, C, H, W), y (B, C, h, w) -> (B, C, H, W); y is resampled to the size of x.

    The second sigmoid of S is the authors' code; the paper writes one. Departs from that code on
    maps of 3 pixels and less, where it fails: they are mirrored as often as needed.
    """

    def __init__(self, channels: int, *, reduction: int = 8) -> None:
        super().__init__()
        hidden = hidden_width(channels, reduction)
        self.spatial = nn.Conv2d(2, 1, 2 * _MARGIN + 1)
        self.channel = nn.Sequential(
            conv2d(channels, hidden, bias=True), nn.ReLU(), conv2d(hidden, channels, bias=True)
        )
        self.pixel = nn.Conv2d(2 * channels, channels, 2 * _MARGIN + 1, groups=channels)
        self.project = conv2d(channels, channels, bias=True)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        y = resize_like(y, x)
        z = x + y
        coarse = self.spatial(_mirrored(channel_mean_max(z)))
        coarse = coarse + self.channel(z.mean((2, 3), keepdim=True))
        pairs = torch.stack([z, coarse], dim=2).flatten(1, 2)
        share = self.pixel(_mirrored(pairs)).sigmoid().sigmoid()
        return self.project(z + share * x + (1 - share) * y)


def _mirrored(x: Tensor) -> Tensor:
    """Continue a map by three pixels per side, mirrored at its border pixels."""
    if min(x.shape[-2:]) > _MARGIN:
        return F.pad(x, [_MARGIN] * 4, mode="reflect")
    rows, columns = (torch.tensor(_folded(n), device=x.device) for n in x.shape[-2:])
    return x.index_select(-2, rows).index_select(-1, columns)


def _folded(size: int) -> list[int]:
    """The pixels of a line that a mirror shows at -3 ... size + 2."""
    period = max(1, 2 * (size - 1))
    places = [i % period for i in range(-_MARGIN, size + _MARGIN)]
    return [min(i, period - i) for i in places]
