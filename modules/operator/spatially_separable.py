"""Spatially separable convolution."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._adopt import centre_tap, check_plain
from plugnas.modules._kernel import DenseKernel
from plugnas.modules._parts import ConvBN, conv2d
from plugnas.modules._registry import register
from plugnas.modules.errors import AdoptError


@register(
    "spatially_separable",
    slot="operator",
    family="factorised",
    name="Spatially separable convolution",
    year=2015,
    paper="arXiv:1512.00567",
    choices={"kernel_size": (3, 5, 7, 9, 11), "activation_between": (False, True)},
    aliases=("SpatiallySeparableConv",),
    origin="github.com/tensorflow/models, Apache-2.0",
)
class SpatiallySeparable(nn.Module):
    """Convolves down the columns with k x 1, then along the rows with 1 x k.

    y = B (A x), A: Cin -> Cout of k x 1 with stride (s, 1), B: Cout -> Cout of 1 x k with stride
    (1, s), or B relu(BN(A x)) with activation_between. Without it the pair is one k x k
    convolution of limited rank. (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)).

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        kernel_size: k, taps along each axis, odd.
        activation_between: whether batch norm and ReLU stand between the two.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        kernel_size: int = 3,
        activation_between: bool = False,
    ) -> None:
        super().__init__()
        k = kernel_size
        self.in_channels, self.stride = in_channels, stride
        self.column: nn.Module
        if activation_between:
            self.column = ConvBN(
                in_channels, out_channels, (k, 1), stride=(stride, 1), activation=nn.ReLU()
            )
        else:
            self.column = conv2d(in_channels, out_channels, (k, 1), stride=(stride, 1))
        self.row = conv2d(out_channels, out_channels, (1, k), stride=(1, stride))

    @torch.no_grad()
    def adopt(self, conv: nn.Conv2d) -> None:
        """Start from the weights of ``conv``, 1 x 1, k x 1 or 1 x k: the same outputs.

        Raises:
            AdoptError: another kernel, an activation between the two layers, or 1 x k to fewer
                channels than come in.
        """
        if not isinstance(self.column, nn.Conv2d):
            raise AdoptError(
                "an activation stands between the two layers; take activation_between=False"
            )
        check_plain(conv, self.in_channels, self.row.out_channels, self.stride)
        kernel = DenseKernel.of(conv)
        if conv.kernel_size[1] == 1:
            self.column.weight.copy_(kernel.placed(self.column.kernel_size))
            centre_tap(self.row, torch.eye(self.row.in_channels))
            return
        if conv.kernel_size[0] > 1 or self.in_channels > self.row.in_channels:
            raise AdoptError(
                "the pair holds 1x1 and kx1 convolutions, and 1xk ones that do not narrow the map, "
                f"but this one is {conv.kernel_size[0]}x{conv.kernel_size[1]} from "
                f"{conv.in_channels} channels to {conv.out_channels}; keep this convolution"
            )
        weight = kernel.placed(self.row.kernel_size)
        # The first channels pass through the column; the others are not read yet.
        middle = self.column.kernel_size[0] // 2
        passing = self.column.weight[: self.in_channels]
        passing.zero_()
        passing[:, :, middle, 0].fill_diagonal_(1.0)
        self.row.weight.zero_()
        self.row.weight[:, : self.in_channels].copy_(weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.row(self.column(x))
