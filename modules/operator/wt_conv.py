"""Wavelet convolution."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._adopt import centre_tap, check_depthwise, load, pointwise_matrix
from plugnas.modules._parts import conv2d, pad_to_multiple
from plugnas.modules._registry import register


def haar(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> list[Tensor]:
    """One step of the orthonormal Haar transform of cells (a b / c d), which is its own inverse.

    Args:
        a: upper left value of each cell, and b: upper right, c: lower left, d: lower right; of one
            shape.

    Returns mean, horizontal, vertical and diagonal detail, each times 2: (a + b + c + d) / 2,
    (a - b + c - d) / 2, (a + b - c - d) / 2, (a - b - c + d) / 2.
    """
    upper, lower = (a + b) / 2, (c + d) / 2
    first, second = (a - b) / 2, (c - d) / 2
    return [upper + lower, first + second, upper - lower, first - second]


class _Scale(nn.Module):
    """A learned factor per channel."""

    def __init__(self, channels: int, start: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels, 1, 1), start))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight


def _scaled(channels: int, kernel_size: int, start: float, stride: int = 1) -> nn.Sequential:
    """A depthwise convolution and a factor per channel."""
    conv = conv2d(channels, channels, kernel_size, stride=stride, groups=channels)
    return nn.Sequential(conv, _Scale(channels, start))


@register(
    "wt_conv",
    slot="operator",
    family="frequency",
    name="Wavelet convolution (WTConv)",
    year=2024,
    paper="arXiv:2407.05848",
    choices={"kernel_size": (3, 5), "levels": (1, 2, 3)},
    aliases=("WTConv2d", "WaveletConv"),
    origin="github.com/BGU-CS-VIL/WTConv, MIT",
)
class WaveletConvolution(nn.Module):
    """Small depthwise filters on the levels of a Haar transform: few taps cover a large area.

    y = a DW(x) + z_1(x); z_i(x) = inverse Haar of [w_L + z_(i+1)(x_L), w_H], where x_L is the mean
    band of the Haar transform of x and [w_L, w_H] = b_i DW_i(all four bands of it); the last level
    adds w_L alone. DW, DW_i: depthwise k x k without bias; a starts at 1 and b_i at 0.1 in every
    channel. Odd sides are padded with a zero before each transform and cut behind it. A stride
    keeps every s-th pixel of y. (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)); a 1x1
    convolution follows where Cout differs from Cin, which the authors rule out. The deploy form has
    a and b_i in the kernels. Departs from the authors' code: no bias in DW.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        kernel_size: k, taps per side, odd.
        levels: of the Haar transform, at least 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        kernel_size: int = 5,
        levels: int = 1,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels, self.stride = in_channels, out_channels, stride
        self.base = _scaled(in_channels, kernel_size, 1.0, stride)
        self.bands = nn.ModuleList(
            _scaled(4 * in_channels, kernel_size, 0.1) for _ in range(levels)
        )
        same = in_channels == out_channels
        self.project = nn.Identity() if same else conv2d(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        s = self.stride
        return self.project(self.base(x) + self._level(x, 0)[:, :, ::s, ::s])

    def _level(self, x: Tensor, index: int) -> Tensor:
        """What one level of the transform and those below it give, in the shape of x."""
        height, width = x.shape[-2:]
        x = pad_to_multiple(x, 2)
        rows = x[:, :, ::2], x[:, :, 1::2]
        bands = haar(*(row[..., i::2] for row in rows for i in (0, 1)))
        mean, *details = self.bands[index](torch.cat(bands, dim=1)).chunk(4, dim=1)
        if index + 1 < len(self.bands):
            mean = mean + self._level(bands[0], index + 1)
        cells = torch.stack(haar(mean, *details), dim=2).flatten(1, 2)
        return F.pixel_shuffle(cells, 2)[:, :, :height, :width]

    @torch.no_grad()
    def adopt(self, conv: nn.Conv2d) -> None:
        """Start from the weights of ``conv``: the same outputs; the wavelets' factors start at 0.

        Raises:
            AdoptError: it is no depthwise convolution that fits into the kernel, nor, where Cout
                differs from Cin, a 1 x 1 convolution.
        """
        channels, stride = self.in_channels, self.stride
        base: Any = self.base[0]
        if isinstance(self.project, nn.Conv2d):
            matrix = pointwise_matrix(conv, channels, self.out_channels, stride)
            self.project.weight.copy_(matrix[:, :, None, None])
            centre_tap(base, torch.ones(channels, 1))
        else:
            check_depthwise(conv, channels, stride)
            load(base, conv)
        factors: list[Any] = [layer[1] for layer in (self.base, *self.bands)]
        for factor in factors:
            factor.weight.fill_(1.0 if factor is factors[0] else 0.0)

    @torch.no_grad()
    def fuse(self) -> nn.Module:
        """Return a copy that has the factors in the kernels."""
        fused = copy.deepcopy(self)
        for layer in (fused.base, *fused.bands):
            conv, scale = layer
            if isinstance(scale, _Scale):
                conv.weight *= scale.weight[..., None]
                layer[1] = nn.Identity()
        return fused
