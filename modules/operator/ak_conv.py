"""Convolution with any number of sampled taps: AKConv, later called LDConv."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._adopt import check_plain
from plugnas.modules._kernel import DenseKernel
from plugnas.modules._registry import register
from plugnas.modules.errors import AdoptError
from plugnas.modules.operator._sampling import centres, coordinates, sample


@register(
    "ak_conv",
    slot="operator",
    family="deformable",
    name="AKConv (LDConv): convolution with any number of sampled taps",
    year=2023,
    paper="arXiv:2311.11587",
    choices={"taps": (3, 5, 7, 9, 13)},
    aliases=("AKConv", "LDConv", "AlterableKernelConv", "LinearDeformableConv"),
    origin="github.com/CV-ZhangXin/LDConv, NOASSERTION",
)
class AlterableKernelConvolution(nn.Module):
    """Convolution with N taps, N any number, each moved by an offset read from the input.

    y(p) = sum_n W_n x(s p + g_n + o_n(p)), x read bilinearly with zeros outside; o is a 3 x 3
    convolution of x, 2 N channels (all rows, then all columns), 0 at the start. g_n fills a grid
    row by row from (0, 0): round(sqrt(N)) columns, N // that many full rows, and a last row with
    the rest. As in the paper, (0, 0) is the upper left of the taps, so that they reach down and
    right until the offsets learn otherwise. (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)).

    Departs from the authors' code, which moves a tap from outside to the border and there counts
    the pixel twice; and whose norm, activation and smaller learning rate for o are left to the host
    here.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        taps: N, at least 1.
    """

    rows: Tensor
    columns: Tensor

    def __init__(
        self, in_channels: int, out_channels: int, *, stride: int = 1, taps: int = 5
    ) -> None:
        super().__init__()
        self.stride = stride
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, taps))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        self.offset = nn.Conv2d(in_channels, 2 * taps, 3, stride, 1)
        for parameter in self.offset.parameters():
            nn.init.zeros_(parameter)
        tap, width = torch.arange(taps), round(math.sqrt(taps))
        rows = torch.div(tap, width, rounding_mode="floor")
        self.register_buffer("rows", rows[:, None, None].float(), persistent=False)
        self.register_buffer("columns", (tap % width)[:, None, None].float(), persistent=False)

    @torch.no_grad()
    def adopt(self, conv: nn.Conv2d) -> None:
        """Start from the weights of ``conv``: the same outputs.

        Each of conv's taps takes one of the taps here, moved to its place by a constant offset;
        the taps left over have weight 0.

        Raises:
            AdoptError: conv has more taps, or does not keep the operator's contract.
        """
        out_channels, in_channels, taps = self.weight.shape
        check_plain(conv, in_channels, out_channels, self.stride)
        kernel = DenseKernel.of(conv)
        height, width = kernel.weight.shape[2:]
        if height * width > taps:
            raise AdoptError(
                f"the operator has {taps} taps, but the {height}x{width} convolution has "
                f"{height * width}; take more taps"
            )
        tap = torch.arange(height * width, device=self.rows.device)
        rows = torch.div(tap, width, rounding_mode="floor") - height // 2
        columns = tap % width - width // 2
        self.weight.zero_()
        self.weight[:, :, : len(tap)] = kernel.weight.flatten(2)
        offset: Any = self.offset
        offset.weight.zero_()
        moves = offset.bias.zero_().view(2, taps)
        moves[0, : len(tap)] = kernel.dilation[0] * rows - self.rows[: len(tap), 0, 0]
        moves[1, : len(tap)] = kernel.dilation[1] * columns - self.columns[: len(tap), 0, 0]

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = coordinates(self.offset(x)).chunk(2, dim=1)  # (B, N, H', W') each
        down, right = centres(rows, self.stride)
        samples = sample(x, rows + self.rows + down, columns + self.columns + right)
        return F.conv2d(samples.flatten(1, 2), self.weight.flatten(1)[:, :, None, None])
