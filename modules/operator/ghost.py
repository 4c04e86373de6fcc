"""Ghost module."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._parts import ConvBN
from plugnas.modules._registry import register


@register(
    "ghost",
    slot="operator",
    family="cheap_features",
    name="GhostNet ghost module",
    year=2019,
    paper="arXiv:1911.11907",
    choices={
        "reduction": (2, 3, 4),
        "kernel_size": (1, 3),
        "cheap_kernel_size": (3, 5),
    },
    aliases=(
        "GhostNet",
        "GhostModule",
        "GhostConv",
    ),
    origin="github.com/huawei-noah/Efficient-AI-Backbones, Apache-2.0",
)
class Ghost(nn.Module):
    """Computes Cout / r channels by a convolution and the rest cheaply, by filtering those.

    p = relu(BN(conv k x k(x; Cin -> m))), m = ceil(Cout / r), stride s; q = relu(BN(depthwise
    d x d(p; m -> m (r - 1)))); y = the first Cout channels of cat(p, q). ``relu=False`` leaves both
    activations out, as in the second ghost module of a ghost bottleneck. The norms are the
    module's own, since q is made from a normalised p.
    (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)).

    Departs from the paper: with r = 1, or where p alone fills the output, there is no cheap branch
    instead of an error.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        reduction: r: m = ceil(Cout / r) channels are convolved, the others are cheap.
        kernel_size: k, taps per side of the first convolution, odd.
        cheap_kernel_size: d, taps per side of the depthwise filter, odd.
        relu: whether both parts are rectified.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        reduction: int = 2,
        kernel_size: int = 1,
        cheap_kernel_size: int = 3,
        relu: bool = True,
    ) -> None:
        super().__init__()
        self.out_channels = out_channels
        width = -(-out_channels // reduction)
        self.primary = ConvBN(
            in_channels, width, kernel_size, stride=stride, activation=nn.ReLU() if relu else None
        )
        self.cheap = None
        if width < out_channels:
            self.cheap = ConvBN(
                width, width * (reduction - 1), cheap_kernel_size, groups=width,
                activation=nn.ReLU() if relu else None,
            )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        p = self.primary(x)
        if self.cheap is None:
            return p
        return torch.cat([p, self.cheap(p)], dim=1)[:, : self.out_channels]
