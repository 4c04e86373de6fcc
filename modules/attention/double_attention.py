"""Double attention of A2-Nets."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._parts import ConvBN
from plugnas.modules._registry import register


@register(
    "double_attention",
    slot="attention",
    family="self_attention",
    name="A2-Nets double attention",
    year=2018,
    paper="arXiv:1810.11579",
    choices={
        "expansion": (0.25, 0.5, 1.0),
        "map_expansion": (0.25, 0.5, 1.0),
        "residual": (True, False),
    },
    aliases=(
        "A2Net",
        "A2Nets",
        "A2Attention",
        "DoubleAttentionNetworks",
    ),
    no_origin="no code of the authors was found in November 2026",
)
class DoubleAttention(nn.Module):
    """Gathers features of the whole map into a few descriptors and mixes them at each pixel.

    A: 1x1 conv C -> m, B and V: 1x1 convs C -> n. g_k = sum over pixels of A softmax_pixels(B_k),
    one descriptor of m values for each of the n maps; z_i = sum_k softmax_k(V_i) g_k;
    y = x + BN(1x1 conv m -> C of z), or the bare 1x1 conv (with bias) without ``residual``.
    (B, C, H, W) -> the same. m is ``expansion``, n (at least 2) is ``map_expansion`` times C.

    Departs from circulating code (xmu-xiaoma666/External-Attention-pytorch,
    model/attention/A2Atttention.py): the softmaxes run over the pixels and over the maps (there,
    without an axis, over the batch); the paper's residual is the default; B has no bias, which its
    softmax would cancel.

    Args:
        channels: C, channels of the map.
        expansion: m / C, the width of a descriptor; m is at least 1.
        map_expansion: n / C, how many descriptors there are; n is at least 2.
        residual: adds the input and has a batch norm before.
    """

    def __init__(
        self,
        channels: int,
        *,
        expansion: float = 0.25,
        map_expansion: float = 0.25,
        residual: bool = True,
    ) -> None:
        super().__init__()
        features, maps = max(1, int(expansion * channels)), max(2, int(map_expansion * channels))
        self.residual = residual
        self.feature = nn.Conv2d(channels, features, 1)
        self.gather = nn.Conv2d(channels, maps, 1, bias=False)
        self.distribute = nn.Conv2d(channels, maps, 1)
        self.out = ConvBN(features, channels, 1) if residual else nn.Conv2d(features, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        feature = self.feature(x).flatten(2)  # (B, m, N)
        where = self.gather(x).flatten(2).softmax(2)  # (B, n, N), each map sums to 1
        which = self.distribute(x).flatten(2).softmax(1)  # (B, n, N), each pixel sums to 1
        descriptors = torch.matmul(feature, where.transpose(1, 2))  # (B, m, n)
        z = torch.matmul(descriptors, which).unflatten(2, x.shape[-2:])
        return x + self.out(z) if self.residual else self.out(z)
