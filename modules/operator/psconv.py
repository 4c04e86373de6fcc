"""Poly-scale convolution."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._adopt import check_plain
from plugnas.modules._kernel import DenseKernel
from plugnas.modules._parts import conv2d
from plugnas.modules._registry import register
from plugnas.modules.errors import RefusedError


@register(
    "psconv",
    slot="operator",
    family="multi_scale",
    name="PSConv: Poly-Scale Convolutional Layer",
    year=2020,
    paper="arXiv:2007.06191",
    choices={"parts": (2, 4), "dilation": (1, 2), "kernel_size": (3, 5)},
    aliases=(
        "PSConv2d",
        "PolyScaleConv",
    ),
    origin="github.com/d-li14/PSConv, MIT",
)
class PolyScaleConvolution(nn.Module):
    """A convolution whose dilation differs from one pair of channel parts to the next.

    Channels in and out are cut in P parts; the block from part i to part o has dilation d for i =
    o, 2 d for i = o + P / 2 mod P, and 1 elsewhere: the parameters and FLOPs of one convolution
    (paper: P = 4, d = 2). Run as three grouped convolutions, the second of the parts rotated by P /
    2, the third of the other P - 2 parts joined for each output part, so that no weight is masked.
    (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)).

    Departs from the paper: widths that P does not divide are padded with zero channels and cut.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        parts: P, even and at least 2.
        dilation: d, pixels from one tap to the next where i = o.
        kernel_size: k, taps per side, odd.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        parts: int = 4,
        dilation: int = 2,
        kernel_size: int = 3,
    ) -> None:
        super().__init__()
        if parts < 2 or parts % 2:
            raise RefusedError(f"`parts` must be even and positive, but got {parts}; take 2 or 4")
        self.parts, self.stride = parts, stride
        self.in_channels, self.out_channels = in_channels, out_channels
        width_in = parts * math.ceil(in_channels / parts)
        width_out = parts * math.ceil(out_channels / parts)

        def conv(width: int, dilation: int) -> nn.Conv2d:
            return conv2d(
                width, width_out, kernel_size, stride=stride, dilation=dilation, groups=parts
            )

        self.same = conv(width_in, dilation)
        self.opposite = conv(width_in, 2 * dilation)
        self.others = conv(width_in * (parts - 2), 1) if parts > 2 else None
        bound = 1 / math.sqrt(in_channels * kernel_size**2)  # the three start as one convolution
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    @torch.no_grad()
    def adopt(self, conv: nn.Conv2d) -> None:
        """Start from the weights of ``conv``: the same outputs.

        Raises:
            AdoptError: a block of some dilation does not hold its filters: mostly 1 x 1 and, with
                dilation 1, depthwise convolutions fit.
        """
        check_plain(conv, self.in_channels, self.out_channels, self.stride)
        kernel = DenseKernel.of(conv).padded(self.same.out_channels, self.same.in_channels)
        plans = [(self.same, [0]), (self.opposite, [self.parts // 2])]
        if self.others is not None:
            plans.append((self.others, [i for i in range(1, self.parts) if 2 * i != self.parts]))
        weights = [self._blocks(kernel, layer, turns) for layer, turns in plans]
        for (layer, _), weight in zip(plans, weights, strict=True):
            layer.weight.copy_(weight)

    def _blocks(self, kernel: DenseKernel, layer: nn.Conv2d, turns: list[int]) -> Tensor:
        """Weights of a grouped convolution, output part o reading the parts o + turn."""
        n, m = layer.out_channels // self.parts, self.same.in_channels // self.parts

        def block(o: int, i: int) -> Tensor:
            part = kernel.part(slice(o * n, o * n + n), slice(i * m, i * m + m))
            return part.placed(layer.kernel_size, layer.dilation)

        return torch.cat(
            [
                torch.cat([block(o, (o + turn) % self.parts) for turn in turns], dim=1)
                for o in range(self.parts)
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (0, 0, 0, 0, 0, -x.shape[1] % self.parts))
        parts = x.unflatten(1, (self.parts, -1))  # (B, P, C / P, H, W)
        half = self.parts // 2
        y = self.same(x) + self.opposite(parts.roll(-half, dims=1).flatten(1, 2))
        if self.others is not None:
            turns = [parts.roll(-i, dims=1) for i in range(1, self.parts) if i != half]
            y = y + self.others(torch.cat(turns, dim=2).flatten(1, 2))
        return y[:, : self.out_channels]
