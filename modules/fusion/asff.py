"""Adaptively spatial feature fusion."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._parts import ConvBN, conv2d, resize_like, sum_of_products
from plugnas.modules._registry import register


@register(
    "asff",
    slot="fusion",
    family="spatial",
    name="Adaptively spatial feature fusion (ASFF)",
    year=2019,
    paper="arXiv:1911.09516",
    choices={"hidden_channels": (0, 8, 16)},
    aliases=("ASFF", "AdaptivelySpatialFeatureFusion"),
    origin="github.com/GOATmessi8/ASFF, GPL-3.0-only",
)
class AdaptivelySpatialFusion(nn.Module):
    """Adds maps with one weight per map, computed anew for each pixel.

    y = sum_n a_n x_n, a = softmax over the maps of L [u_1, ..., u_N], one value per pixel, L a
    biased 1x1 convolution to N channels and u_n = leaky(BN(1x1(x_n; C -> h))), slope 0.1, as in the
    authors' code. h = 0: logit n is a biased 1x1 convolution of x_n alone, the paper's formula.
    N = ``inputs`` maps: x (B, C, H, W), the others (B, C, h, w) -> (B, C, H, W); the others are
    repeated (nearest) to the size of x. The convolution behind the sum is left to the host.
    """

    def __init__(self, channels: int, *, hidden_channels: int = 16, inputs: int = 2) -> None:
        super().__init__()
        if hidden_channels:
            self.read = nn.ModuleList(
                ConvBN(channels, hidden_channels, activation=nn.LeakyReLU(0.1))
                for _ in range(inputs)
            )
            self.compare: nn.Module = conv2d(inputs * hidden_channels, inputs, bias=True)
        else:
            self.read = nn.ModuleList(conv2d(channels, 1, bias=True) for _ in range(inputs))
            self.compare = nn.Identity()

    def forward(self, x: Tensor, *others: Tensor) -> Tensor:
        if len(others) + 1 != len(self.read):
            raise ValueError(
                f"built for {len(self.read)} maps, but got {1 + len(others)}; set `inputs`"
            )
        maps = [x, *(resize_like(other, x, mode="nearest") for other in others)]
        seen = [read(each) for read, each in zip(self.read, maps, strict=True)]
        shares = self.compare(torch.cat(seen, dim=1)).softmax(1)
        return sum_of_products(maps, shares.split(1, dim=1))
