"""HG block of PP-HGNet."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from plugnas.modules._parts import ConvBN, hidden_width
from plugnas.modules._registry import register


@register(
    "hg_block",
    slot="operator",
    family="dense_aggregation",
    name="PP-HGNet block (v2, RT-DETR)",
    year=2022,
    paper="PP-HGNet (PaddleClas 2022); RT-DETR arXiv:2304.08069",
    choices={"depth": (3, 6), "light": (False, True)},
    aliases=("HGBlock", "HGNetV2", "HighPerfGpuBlock"),
    origin="github.com/PaddlePaddle/PaddleClas, Apache-2.0",
)
class HGBlock(nn.Module):
    """n convolutions in a row, all of their outputs joined, and two pointwise layers over them.

    h_0 = x; h_i = relu(BN(conv 3x3(h_(i-1)))), of width m = max(1, Cout // 4); ``light``: h_i =
    relu(BN(depthwise 5x5(BN(pointwise(h_(i-1)))))). y = E(S([h_0, ..., h_n])), S: pointwise to
    Cout // 2, E: pointwise to Cout, each with batch norm and ReLU; y + x where s = 1 and
    Cin = Cout. With a stride, a depthwise 3x3 convolution with batch norm takes it first.
    (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)).

    The networks choose m stage by stage, between 3/16 and 3/8 of Cout; ``width_ratio`` is 1/4.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        depth: n, convolutions in a row, at least 1.
        light: whether they are pointwise and then depthwise 5x5.
        width_ratio: m / Cout; m is at least 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        depth: int = 6,
        light: bool = False,
        width_ratio: float = 0.25,
    ) -> None:
        super().__init__()
        width = max(1, int(out_channels * width_ratio))
        self.enter: nn.Module = nn.Identity()
        if stride > 1:
            self.enter = ConvBN(in_channels, in_channels, 3, stride=stride, groups=in_channels)
        widths = [in_channels, *[width] * depth]
        self.layers = nn.ModuleList(
            _light(a, b) if light else ConvBN(a, b, 3, activation=nn.ReLU())
            for a, b in pairwise(widths)
        )
        squeezed = hidden_width(out_channels, 2)
        self.squeeze = ConvBN(sum(widths), squeezed, activation=nn.ReLU())
        self.excite = ConvBN(squeezed, out_channels, activation=nn.ReLU())
        self.skip = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        outputs = [self.enter(x)]
        for layer in self.layers:
            outputs.append(layer(outputs[-1]))
        y = self.excite(self.squeeze(torch.cat(outputs, dim=1)))
        return x + y if self.skip else y


def _light(in_channels: int, width: int) -> nn.Module:
    return nn.Sequential(
        ConvBN(in_channels, width), ConvBN(width, width, 5, groups=width, activation=nn.ReLU())
    )
