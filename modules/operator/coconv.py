"""Contextual convolution."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._adopt import load_levels
from plugnas.modules._parts import conv2d
from plugnas.modules._registry import register

# Shares of Cout, in eighths, of the dilations 2, 3, ...; dilation 1 takes what is left.
_EIGHTHS = {1: (), 2: (4,), 3: (2, 2), 4: (2, 2, 2), 5: (2, 2, 1, 1)}


@register(
    "coconv",
    slot="operator",
    family="multi_scale",
    name="Contextual convolution",
    year=2021,
    paper="arXiv:2108.07387",
    choices={"levels": (2, 3, 4, 5)},
    aliases=(
        "CoConv3x3_2d",
        "ContextualConvolution",
    ),
    origin="github.com/iduta/coconv, MIT",
)
class CoConv(nn.Module):
    """Splits the filters of one convolution among dilations 1, 2, ... at no cost.

    y = [conv_1 x, ..., conv_n x]: every level sees the whole input with a k x k window of dilation
    l. Shares of Cout: 1/2, 1/2; 1/2, 1/4, 1/4; four of 1/4; 1/4, 1/4, 1/4, 1/8, 1/8.
    (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)), without bias.

    Departs from the authors' code (models/coresnet.py), which loses channels where Cout does not
    divide: the remainder goes to dilation 1. A level whose share rounds to 0 is left out.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        levels: n, dilations, from 1 to 5.
        kernel_size: k, taps per side, odd.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        levels: int = 4,
        kernel_size: int = 3,
    ) -> None:
        super().__init__()
        further = [out_channels * eighths // 8 for eighths in _EIGHTHS[levels]]
        widths = [out_channels - sum(further), *further]
        self.levels = nn.ModuleList(
            conv2d(in_channels, width, kernel_size, stride=stride, dilation=dilation)
            for dilation, width in enumerate(widths, start=1)
            if width
        )

    def adopt(self, conv: nn.Conv2d) -> None:
        """Start from the weights of ``conv``: the same outputs.

        Raises:
            AdoptError: a level does not hold its filters. With dilation 2 its taps stand elsewhere,
                so that it is mostly 1 x 1 convolutions that fit.
        """
        load_levels(self.levels, conv)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([level(x) for level in self.levels], dim=1)
