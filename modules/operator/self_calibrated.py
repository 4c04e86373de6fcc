"""Self-calibrated convolution."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import ConvBN, conv2d, resize_like
from plugnas.modules._registry import register


@register(
    "self_calibrated",
    slot="operator",
    family="spatial",
    name="Self-calibrated convolution",
    year=2020,
    paper="CVPR 2020",
    choices={"pool_size": (2, 4)},
    aliases=(
        "SCNet",
        "SelfCalibratedConv",
    ),
    origin="github.com/MCG-NKU/SCNet, MIT",
)
class SelfCalibratedConv(nn.Module):
    """Convolves half of the channels and gates the other half by a view at lower resolution.

    x is cut by channels into x1 and x2, each of half the width:
    y1 = K4(K3(x1) sigmoid(x1 + up(K2(mean of x1 over r x r cells)))), y2 = K1(x2), out = [y1, y2],
    with r = pool_size. All K are k x k convolutions, K2 and K3 followed by batch norm; K4 and K1
    carry stride and change of width, and their norm is left to the host.
    (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)).

    Departs from circulating code (pprp/awesome-attention-mechanism-in-cv,
    AttentionModule/SCNet/scnet.py): upsampling is bilinear, as in the paper; r is at most the size
    of the map. A single channel, in or out, belongs to the gated part.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        pool_size: r, side in pixels of the cells that are averaged; at most the map.
        kernel_size: k, taps per side, odd.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        pool_size: int = 4,
        kernel_size: int = 3,
    ) -> None:
        super().__init__()
        self.pool_size = pool_size
        plain = in_channels // 2 if out_channels > 1 else 0
        plain_out = out_channels // 2 if plain else 0
        half = in_channels - plain
        self.widths = (half, plain)
        self.context = ConvBN(half, half, kernel_size)
        self.content = ConvBN(half, half, kernel_size)
        self.calibrated = conv2d(half, out_channels - plain_out, kernel_size, stride=stride)
        self.plain = conv2d(plain, plain_out, kernel_size, stride=stride) if plain else None

    def forward(self, x: Tensor) -> Tensor:
        first, second = x.split(self.widths, dim=1)
        cell = (min(self.pool_size, x.shape[2]), min(self.pool_size, x.shape[3]))
        far = resize_like(self.context(F.avg_pool2d(first, cell)), first)
        y = self.calibrated(self.content(first) * (first + far).sigmoid())
        return y if self.plain is None else torch.cat([y, self.plain(second)], dim=1)
