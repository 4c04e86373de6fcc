"""Inception module of GoogLeNet."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._parts import ConvBN, conv2d
from plugnas.modules._registry import register


@register(
    "inception",
    slot="operator",
    family="multi_scale",
    name="Inception module",
    year=2014,
    paper="arXiv:1409.4842",
    choices={"kernel_size": (5, 7), "reduction": (1, 2)},
    aliases=(
        "GoogLeNet",
        "InceptionModule",
    ),
    origin="github.com/tensorflow/models, Apache-2.0",
)
class Inception(nn.Module):
    """Stacks a pointwise, a 3x3, a larger convolution and a pooled branch of the same input.

    Branches and their shares of Cout: 1x1 (1/4); 1x1 then 3x3 (1/2 and the remainder); 1x1 then
    k x k (1/8); 3x3 maximum then 1x1 (1/8). The pointwise reductions have 3/8 and 1/16 of Cout, as
    in module 3a, divided by ``reduction``. A branch whose share rounds to 0 is left out.
    (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)); the stride is that of the last step
    with a window in a branch, and of the 1x1 in the first.

    Departs from the paper: batch norm as in BN-Inception. The norm and rectifier at the end of each
    branch, which act on each channel alone, are left to the host.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        kernel_size: k, taps per side of the larger convolution, odd.
        reduction: by which the pointwise reductions are narrower than in module 3a.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        kernel_size: int = 5,
        reduction: int = 1,
    ) -> None:
        super().__init__()
        first, last = out_channels // 4, out_channels // 8
        middle = out_channels - first - 2 * last
        narrow = max(1, 3 * out_channels // (8 * reduction))
        narrower = max(1, out_channels // (16 * reduction))
        branches = nn.ModuleDict()
        if first:
            branches["point"] = conv2d(in_channels, first, stride=stride)
        branches["small"] = nn.Sequential(
            ConvBN(in_channels, narrow, activation=nn.ReLU()),
            conv2d(narrow, middle, 3, stride=stride),
        )
        if last:
            branches["large"] = nn.Sequential(
                ConvBN(in_channels, narrower, activation=nn.ReLU()),
                conv2d(narrower, last, kernel_size, stride=stride),
            )
            branches["pool"] = nn.Sequential(
                nn.MaxPool2d(3, stride, padding=1), conv2d(in_channels, last)
            )
        self.branches = branches

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches.values()], dim=1)
