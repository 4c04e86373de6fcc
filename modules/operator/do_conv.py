"""DO-Conv."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._adopt import check_plain
from plugnas.modules._kernel import DenseKernel
from plugnas.modules._parts import common_divisor, conv2d
from plugnas.modules._registry import register


@register(
    "do_conv",
    slot="operator",
    family="reparameterised",
    name="DO-Conv: Depthwise Over-parameterized Convolutional Layer",
    year=2020,
    paper="arXiv:2006.12030",
    choices={"kernel_size": (3, 5, 7), "expansion": (1, 2)},
    aliases=("DOConv2d",),
    origin="github.com/yangyanli/DO-Conv, MIT",
)
class DOConv(nn.Module):
    """Convolution whose kernel is a product of two trained factors, one of them depthwise.

    K[o, i, m] = sum_s (D[i, m, s] + E[m, s]) W[o, i, s], m over the k^2 taps, s over S = expansion
    x k^2; E is the identity, repeated; D starts at 0, so that K = W for expansion 1. y = conv(x,
    K). For k = 1 there is no D. (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)). The deploy
    form is one nn.Conv2d with K computed once.

    Departs from the authors' code (do_conv_pytorch.py): with groups, each filter is composed with
    the rows of D of the channels it reads.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        kernel_size: k, taps per side, odd.
        expansion: S / k^2, columns of the trained factor over taps.
        groups: groups of the convolution, a limit: the largest number that divides both widths is
            taken.
    """

    identity: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        kernel_size: int = 3,
        expansion: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.stride, self.kernel_size = stride, kernel_size
        self.groups = groups = common_divisor(groups, in_channels, out_channels)
        taps = kernel_size**2
        width = taps * expansion if taps > 1 else 1
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels // groups, width))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        self.depthwise = None
        if taps > 1:
            self.depthwise = nn.Parameter(torch.zeros(in_channels, taps, width))
            self.register_buffer("identity", torch.eye(taps).repeat(1, expansion), persistent=False)

    def kernel(self) -> Tensor:
        """Return the composed kernel (Cout, Cin / groups, k, k)."""
        kernel: Tensor = self.weight
        if self.depthwise is not None:
            factor = (self.depthwise + self.identity).unflatten(0, (self.groups, -1))
            grouped = self.weight.unflatten(0, (self.groups, -1))
            kernel = torch.einsum("gois,gims->goim", grouped, factor).flatten(0, 1)
        return kernel.unflatten(2, (self.kernel_size, self.kernel_size))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(
            x, self.kernel(), None, self.stride, self.kernel_size // 2, groups=self.groups
        )

    @torch.no_grad()
    def adopt(self, conv: nn.Conv2d) -> None:
        """Start from the weights of ``conv``: the same outputs.

        Raises:
            AdoptError: the kernel or the groups do not hold it.
        """
        check_plain(conv, self.in_channels, self.out_channels, self.stride)
        size = (self.kernel_size, self.kernel_size)
        kernel = DenseKernel.of(conv).grouped(size, (1, 1), self.groups)
        self.weight.zero_()  # a further copy of the identity starts at 0
        self.weight[..., : self.kernel_size**2] = kernel.flatten(2)
        if self.depthwise is not None:
            self.depthwise.zero_()

    @torch.no_grad()
    def fuse(self) -> nn.Module:
        """Return one convolution with the same outputs."""
        conv = conv2d(
            self.in_channels, self.out_channels, self.kernel_size, stride=self.stride,
            groups=self.groups,
        )  # fmt: skip
        conv.weight = nn.Parameter(self.kernel().clone())
        return conv
