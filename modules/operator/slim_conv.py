"""SlimConv."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._parts import ConvBN, common_divisor, conv2d, hidden_width
from plugnas.modules._registry import register
from plugnas.modules._same import bottleneck


@register(
    "slim_conv",
    slot="operator",
    family="channel",
    name="SlimConv 3x3",
    year=2020,
    paper="arXiv:2003.07469",
    choices={"groups": (1, 2, 4), "reduction": (8, 16, 32)},
    same={"reduction": bottleneck()},
    aliases=(
        "slim_conv_3x3",
        "SlimConvolution",
    ),
    origin="github.com/JiaxiongQ/SlimConv, MIT",
)
class SlimConvolution(nn.Module):
    """Folds the channels in half twice, weighted forwards and backwards, and convolves both.

    w = sigmoid(W2 relu(BN(W1 mean(x)))), W1 C -> C / r; t = sum of the halves of w x, u = sum of
    the halves of flip(w) x; T = BN(conv 3x3(t)), C / 2 channels; U = BN(conv 3x3(relu(BN(conv
    1x1(u; C / 2 -> C / 4))))); y = cat(T, U), 3 C / 4 channels, then a 1x1 convolution where Cout
    differs. Stride, dilation and groups are the 3x3 layers'.
    (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)).

    Departs from the paper: an odd width is cut into halves that share the middle channel, widths
    that the groups do not divide and C < r work too.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        groups: groups of the 3x3 convolutions, a limit: the largest divisor of their width is
            taken.
        reduction: r: the gates' hidden layer has C // r values, at least 1.
        dilation: d, pixels between the taps of the 3x3 convolutions.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        groups: int = 1,
        reduction: int = 32,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        self.half_width = half = -(-in_channels // 2)
        quarter = hidden_width(in_channels, 4)
        hidden = hidden_width(in_channels, reduction)

        def conv3x3(channels: int) -> ConvBN:
            return ConvBN(
                channels, channels, 3, stride=stride, dilation=dilation,
                groups=common_divisor(groups, channels),
            )  # fmt: skip

        self.gate = nn.Sequential(
            ConvBN(in_channels, hidden, activation=nn.ReLU()), nn.Conv2d(hidden, in_channels, 1)
        )
        self.top = conv3x3(half)
        self.bottom = nn.Sequential(ConvBN(half, quarter, activation=nn.ReLU()), conv3x3(quarter))
        same = half + quarter == out_channels
        self.project = nn.Identity() if same else conv2d(half + quarter, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        w = self.gate(x.mean((2, 3), keepdim=True)).sigmoid()
        top, bottom = self.top(self._fold(w * x)), self.bottom(self._fold(w.flip(1) * x))
        return self.project(torch.cat([top, bottom], dim=1))

    def _fold(self, x: Tensor) -> Tensor:
        return x[:, : self.half_width] + x[:, -self.half_width :]
