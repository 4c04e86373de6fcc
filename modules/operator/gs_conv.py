"""GSConv of the slim neck."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._parts import ConvBN
from plugnas.modules._registry import register


@register(
    "gs_conv",
    slot="operator",
    family="cheap_features",
    name="GSConv (slim-neck)",
    year=2022,
    paper="arXiv:2206.02424",
    choices={"kernel_size": (1, 3), "cheap_kernel_size": (3, 5)},
    origin="github.com/AlanLi1997/slim-neck-by-gsconv, GPL-3.0-only",
)
class GSConv(nn.Module):
    """Makes half of the output by a convolution, the rest depthwise from that half; then shuffles.

    p = mish(BN(conv k x k(x; Cin -> m))), stride s, m = ceil(Cout / 2); q = mish(BN(depthwise
    d x d(p))); u = the first Cout channels of [p, q]; y = the channels 0, 2, 4, ... of u, then 1,
    3, 5, ...: each half of y has channels of p and of q. (B, Cin, H, W) -> (B, Cout, ceil(H / s),
    ceil(W / s)).

    Departs from the authors' code, which needs an even Cout. Mish is the authors'; ports to later
    YOLO versions have SiLU.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        kernel_size: k, taps per side of the first convolution, odd.
        cheap_kernel_size: d, taps per side of the depthwise filter, odd.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        kernel_size: int = 1,
        cheap_kernel_size: int = 5,
    ) -> None:
        super().__init__()
        self.out_channels = out_channels
        half = -(-out_channels // 2)
        self.primary = ConvBN(in_channels, half, kernel_size, stride=stride, activation=nn.Mish())
        self.cheap = ConvBN(half, half, cheap_kernel_size, groups=half, activation=nn.Mish())

    def forward(self, x: Tensor) -> Tensor:
        p = self.primary(x)
        u = torch.cat([p, self.cheap(p)], dim=1)[:, : self.out_channels]
        return torch.cat([u[:, ::2], u[:, 1::2]], dim=1)
