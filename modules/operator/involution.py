"""Involution."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._adopt import pointwise_matrix
from plugnas.modules._parts import (
    ConvBN,
    common_divisor,
    conv2d,
    hidden_width,
    sum_of_products,
    window_taps,
)
from plugnas.modules._registry import register
from plugnas.modules._same import bottleneck, channel_groups
from plugnas.modules.errors import AdoptError


@register(
    "involution",
    slot="operator",
    family="dynamic",
    name="Involution: Inverting the Inherence of Convolution for Visual Recognition",
    year=2021,
    paper="arXiv:2103.06255",
    choices={
        "kernel_size": (3, 5, 7),
        "group_channels": (8, 16, 32),
        "reduction": (2, 4),
    },
    same={"group_channels": channel_groups("group_channels"), "reduction": bottleneck()},
    aliases=("Involution2d",),
    origin="github.com/d-li14/involution, MIT",
)
class Involution(nn.Module):
    """Filters each pixel with a kernel made from that pixel and shared by groups of channels.

    w = span(relu(BN(reduce(pool(x))))), 1x1 layers C -> C / r -> G k^2, pool the s x s mean where
    s > 1; y[c, p] = sum over the k x k offsets u of w[group(c), u, p] x[c, s p + u], zeros outside,
    kernels not normalised. A 1x1 convolution follows where Cout differs from Cin.
    (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)).

    Departs from circulating code (xmu-xiaoma666/External-Attention-pytorch,
    model/conv/Involution.py): odd sizes with stride 2 (the pool rounds up, as the windows do), no
    bias in front of the norm; channels per group fall to a divisor of the width.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        kernel_size: k, taps per side of the kernels that are made, odd.
        group_channels: channels that share a kernel, a limit: the largest divisor of C is taken.
        reduction: r: the hidden layer has C // r channels, at least 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        kernel_size: int = 7,
        group_channels: int = 16,
        reduction: int = 4,
    ) -> None:
        super().__init__()
        self.stride, self.kernel_size = stride, kernel_size
        self.groups = in_channels // common_divisor(group_channels, in_channels)
        hidden = hidden_width(in_channels, reduction)
        self.reduce = ConvBN(in_channels, hidden, activation=nn.ReLU())
        self.span = nn.Conv2d(hidden, self.groups * kernel_size**2, 1)
        same = in_channels == out_channels
        self.project = nn.Identity() if same else conv2d(in_channels, out_channels)

    @torch.no_grad()
    def adopt(self, conv: nn.Conv2d) -> None:
        """Start from the weights of ``conv``, 1 x 1 between other widths: the same outputs.

        Every kernel starts as the one that reads its own pixel.

        Raises:
            AdoptError: another convolution, or Cout = Cin, where nothing mixes the channels.
        """
        if not isinstance(self.project, nn.Conv2d):
            raise AdoptError(
                "involution mixes no channels where their number stays the same; it holds a 1x1 "
                "convolution only with another number of output channels"
            )
        widths = (self.project.in_channels, self.project.out_channels)
        self.project.weight.copy_(pointwise_matrix(conv, *widths, self.stride)[:, :, None, None])
        self.span.weight.zero_()
        if self.span.bias is not None:
            self.span.bias.zero_()
            self.span.bias.unflatten(0, (self.groups, -1))[:, self.kernel_size**2 // 2] = 1.0

    def forward(self, x: Tensor) -> Tensor:
        pooled = x if self.stride == 1 else F.avg_pool2d(x, self.stride, ceil_mode=True)
        kernels = self.span(self.reduce(pooled))  # (B, G k^2, H', W')
        kernels = kernels.unflatten(1, (self.groups, -1)).unsqueeze(2)  # (B, G, 1, k^2, H', W')
        k = self.kernel_size
        padded = F.pad(x, (k // 2,) * 4).unflatten(1, (self.groups, -1))
        y = sum_of_products(window_taps(padded, k, stride=self.stride), kernels.unbind(3))
        return self.project(y.flatten(1, 2))
