"""Deformable convolution."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._adopt import check_plain
from plugnas.modules._kernel import DenseKernel
from plugnas.modules._parts import common_divisor
from plugnas.modules._registry import register
from plugnas.modules.operator._sampling import deformed_taps, sample


@register(
    "deform_conv",
    slot="operator",
    family="deformable",
    name="Deformable convolution v1 and modulated v2",
    year=2017,
    paper="arXiv:1703.06211, arXiv:1811.11168",
    choices={
        "modulation": (False, True),
        "kernel_size": (3, 5),
        "offset_groups": (1, 2, 4),
    },
    aliases=(
        "DeformConv2d",
        "DCN",
        "DCNv2",
        "DeformableConv",
        "DeformableConvolution",
    ),
    origin="github.com/msracver/Deformable-ConvNets, MIT",
)
class DeformableConvolution(nn.Module):
    """Convolution whose taps are moved, and weighted in v2, by amounts read from the input.

    y(p) = sum_k W_k m_k(p) x(s p + d p_k + o_k(p)), x read bilinearly with zeros outside; o is a
    3 x 3 convolution of x and m = sigmoid of another (v2, ``modulation``), both starting at 0.
    Each of ``offset_groups`` groups of channels has its own o and m; offset channels are ordered
    (group, tap, (row, column)).
    (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)).

    Departs from circulating code (4uiiurz1/pytorch-deform-conv-v2, deform_conv_v2.py): taps are
    centred for every kernel size, offsets start at 0, and border pixels are not counted twice.
    Written with ``grid_sample`` and a matrix product, so that every format and the FLOP counter can
    read it; equal to torchvision's operator.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        modulation: whether taps are weighted too (v2).
        kernel_size: k, taps per side, odd.
        offset_groups: groups of channels with offsets of their own, a limit: the largest divisor of
            Cin is taken.
        dilation: d, pixels from one tap to the next before they move.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        modulation: bool = True,
        kernel_size: int = 3,
        offset_groups: int = 1,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        self.stride, self.kernel_size, self.dilation = stride, kernel_size, dilation
        self.groups = common_divisor(offset_groups, in_channels)
        taps = self.groups * kernel_size**2
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, kernel_size, kernel_size))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        self.offset = _zero_conv(in_channels, 2 * taps, stride)
        self.mask = _zero_conv(in_channels, taps, stride) if modulation else None

    @torch.no_grad()
    def adopt(self, conv: nn.Conv2d) -> None:
        """Start from the weights of ``conv``: the same outputs, nothing moved yet.

        Offsets start at 0, and modulations at 1 / 2 with twice the weights.

        Raises:
            AdoptError: the kernel and its dilation do not hold it.
        """
        check_plain(conv, self.weight.shape[1], self.weight.shape[0], self.stride)
        size = tuple(self.weight.shape[2:])
        kernel = DenseKernel.of(conv).placed(size, (self.dilation, self.dilation))
        self.weight.copy_(kernel if self.mask is None else 2 * kernel)
        for layer in (self.offset, self.mask):
            for parameter in () if layer is None else layer.parameters():
                parameter.zero_()

    def forward(self, x: Tensor) -> Tensor:
        taps = (self.groups, self.kernel_size**2)
        offsets = self.offset(x).unflatten(1, (*taps, 2)).flatten(0, 1)  # (BG, k^2, 2, H', W')
        rows, columns = deformed_taps(
            offsets, self.kernel_size, stride=self.stride, spacing=self.dilation
        )
        grouped = x.unflatten(1, (self.groups, -1)).flatten(0, 1)
        samples = sample(grouped, rows, columns)  # (BG, C / G, k^2, H', W')
        if self.mask is not None:
            mask = self.mask(x).sigmoid().unflatten(1, taps).flatten(0, 1)
            samples = samples * mask[:, None]
        columns_of_taps = samples.unflatten(0, (-1, self.groups)).flatten(1, 3)  # (B, C k^2, ...)
        return F.conv2d(columns_of_taps, self.weight.flatten(1)[:, :, None, None])


def _zero_conv(in_channels: int, out_channels: int, stride: int) -> nn.Conv2d:
    conv = nn.Conv2d(in_channels, out_channels, 3, stride, 1)
    for parameter in conv.parameters():
        nn.init.zeros_(parameter)
    return conv
