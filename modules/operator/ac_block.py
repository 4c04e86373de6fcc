"""Asymmetric convolution block of ACNet."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from plugnas.modules._adopt import bias_of, load, pass_on
from plugnas.modules._fuse import can_fold, fold
from plugnas.modules._parts import ConvBN, common_divisor
from plugnas.modules._registry import register


@register(
    "ac_block",
    slot="operator",
    family="reparameterised",
    name="ACNet asymmetric convolution block",
    year=2019,
    paper="arXiv:1908.03930",
    choices={"kernel_size": (3, 5, 7)},
    aliases=(
        "ACNet",
        "AsymmetricConv",
    ),
    origin="github.com/DingXiaoH/ACNet, MIT",
)
class AsymmetricConvolutionBlock(nn.Module):
    """A k x k convolution whose cross is strengthened by a k x 1 and a 1 x k one in training.

    y = BN1(conv k x k(x)) + BN2(conv k x 1(x)) + BN3(conv 1 x k(x)), same stride, dilation and
    groups, each padded so that the three are aligned. (B, Cin, H, W) -> (B, Cout, ceil(H / s),
    ceil(W / s)). The deploy form is one k x k nn.Conv2d with bias: the thin kernels, scaled by
    their norms, are added to its middle column and row.

    Departs from circulating code (xmu-xiaoma666/External-Attention-pytorch, model/rep/acnet.py):
    thin kernels follow kernel_size, dilation is right, and there is no ReLU at the end.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        kernel_size: k, taps per side, odd.
        dilation: d, pixels from one tap to the next.
        groups: groups of all three convolutions, a limit: the largest number that divides both
            widths is taken.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        kernel_size: int = 3,
        dilation: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__()
        groups = common_divisor(groups, in_channels, out_channels)

        def branch(kernel: tuple[int, int]) -> ConvBN:
            return ConvBN(
                in_channels, out_channels, kernel, stride=stride, dilation=dilation, groups=groups
            )

        self.square = branch((kernel_size, kernel_size))
        self.tall = branch((kernel_size, 1))
        self.wide = branch((1, kernel_size))

    def forward(self, x: Tensor) -> Tensor:
        return self.square(x) + self.tall(x) + self.wide(x)

    @torch.no_grad()
    def adopt(self, conv: nn.Conv2d) -> None:
        """Start from the weights of ``conv``: the same outputs in eval mode.

        The thin branches start at 0. In training each norm uses the statistics of the batch, which
        a norm behind the block takes out again.

        Raises:
            AdoptError: the square kernel does not hold it.
        """
        load(self.square[0], conv, bias=True)  # type: ignore[arg-type]
        pass_on(self.square[1], bias_of(conv))
        for thin in (self.tall, self.wide):
            pass_on(thin[1])
            thin[1].weight.zero_()  # type: ignore[operator]

    @torch.no_grad()
    def fuse(self) -> nn.Module:
        """Return one convolution with the same eval outputs; itself, if a norm cannot fold."""
        square, tall, wide = (_folded(b) for b in (self.square, self.tall, self.wide))
        if square.bias is None or tall.bias is None or wide.bias is None:
            return self
        conv = copy.deepcopy(square)
        middle = conv.kernel_size[0] // 2
        conv.weight[..., middle] += tall.weight[..., 0]
        conv.weight[:, :, middle] += wide.weight[:, :, 0]
        conv.bias = nn.Parameter(square.bias + tall.bias + wide.bias)
        return conv


def _folded(branch: nn.Sequential) -> nn.Conv2d:
    """The branch as one convolution; ``modules.fuse`` may have folded it already."""
    conv, norm = branch
    if not isinstance(conv, nn.Conv2d):
        raise TypeError(f"expected a convolution, but got {type(conv).__name__}")
    return fold(conv, norm) if can_fold(conv, norm) else conv
