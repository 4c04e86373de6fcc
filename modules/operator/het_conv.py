"""HetConv."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._adopt import check_plain, load
from plugnas.modules._kernel import DenseKernel
from plugnas.modules._parts import channel_shuffle, common_divisor, conv2d
from plugnas.modules._registry import register


@register(
    "het_conv",
    slot="operator",
    family="factorised",
    name="HetConv, heterogeneous kernel convolution",
    year=2019,
    paper="arXiv:1903.04120",
    choices={"parts": (1, 2, 4, 8), "kernel_size": (3, 5)},
    aliases=("HetConv2d",),
    no_origin="no code of the authors was found in November 2026, "
    "and the code in circulation does not claim to be theirs",
)
class HetConvolution(nn.Module):
    """Filters with k x k kernels on 1 / P of the channels and 1x1 kernels on the others.

    Filter f has a k x k kernel on the channels c with (c - f) mod P = 0 and one number on each
    other channel, so that the pattern shifts from filter to filter. Run as a grouped k x k
    convolution of channels sorted by c mod P, plus a 1x1 convolution masked to the others. P falls
    to a divisor of both widths; P = 1 is a convolution.
    (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)).

    Departs from circulating code
    (irvinxav/Efficient-HetConv-Heterogeneous-Kernel-Based-Convolutions, hetconv.py), whose 1x1
    convolution has a second centre tap that the training loop must set to 0: here a mask does, and
    the pattern is the paper's shifted one. The deploy form keeps both convolutions (one dense
    kernel would be up to three times dearer) and masks once; for P = 1 it is the convolution.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        parts: P, a limit: the largest number that divides both widths is taken.
        kernel_size: k, taps per side, odd.
    """

    mask: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        parts: int = 4,
        kernel_size: int = 3,
    ) -> None:
        super().__init__()
        self.parts = common_divisor(parts, in_channels, out_channels)
        self.square = conv2d(
            in_channels, out_channels, kernel_size, stride=stride, groups=self.parts
        )
        self.pointwise = None
        if self.parts > 1:
            self.pointwise = conv2d(in_channels, out_channels, stride=stride)
            apart = torch.arange(in_channels) - torch.arange(out_channels)[:, None]
            mask = (apart % self.parts != 0).to(self.pointwise.weight.dtype)
            self.register_buffer("mask", mask[:, :, None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.pointwise is None:
            return self.square(x)
        y = _sorted_by_residue(self.square, x)
        return y + F.conv2d(x, self.pointwise.weight * self.mask, stride=self.pointwise.stride)

    @torch.no_grad()
    def adopt(self, conv: nn.Conv2d) -> None:
        """Start from the weights of ``conv``: the same outputs.

        Raises:
            AdoptError: with P > 1, filter f of ``conv`` has a wide kernel on a channel c with
                (c - f) mod P > 0: 1 x 1 and depthwise convolutions fit.
        """
        if self.pointwise is None:
            load(self.square, conv)
            return
        point = self.pointwise
        check_plain(conv, point.in_channels, point.out_channels, point.stride[0])
        kernel, parts = (
            DenseKernel.of(conv),
            [slice(r, None, self.parts) for r in range(self.parts)],
        )
        apart = torch.arange(point.in_channels) - torch.arange(point.out_channels)[:, None]
        pointwise = kernel.where(apart % self.parts != 0).placed((1, 1))
        square = [kernel.part(part, part).placed(self.square.kernel_size) for part in parts]
        self.square.weight.copy_(torch.cat(square))
        point.weight.copy_(pointwise)

    @torch.no_grad()
    def fuse(self) -> nn.Module:
        """Return the two convolutions with their masks inside; for P = 1 the convolution."""
        if self.pointwise is None:
            return self.square
        pointwise = copy.deepcopy(self.pointwise)
        pointwise.weight.mul_(self.mask)
        return DeployedHetConvolution(self.square, pointwise)


class DeployedHetConvolution(nn.Module):
    """HetConv's grouped k x k convolution and its pointwise one, masked already.

    (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)).
    """

    def __init__(self, square: nn.Conv2d, pointwise: nn.Conv2d) -> None:
        super().__init__()
        self.square, self.pointwise = square, pointwise

    def forward(self, x: Tensor) -> Tensor:
        return _sorted_by_residue(self.square, x) + self.pointwise(x)


def _sorted_by_residue(square: nn.Conv2d, x: Tensor) -> Tensor:
    """Convolve the channels c = r, r + P, ... as group r, P = square.groups; likewise filters."""
    by_residue = channel_shuffle(x, x.shape[1] // square.groups)
    return channel_shuffle(square(by_residue), square.groups)
