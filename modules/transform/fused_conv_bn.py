"""Convolution and batch norm that become one convolution."""

from __future__ import annotations

from torch import Tensor, nn

from plugnas.modules._adopt import bias_of, load, pass_on
from plugnas.modules._fuse import can_fold, fold
from plugnas.modules._parts import BatchNorm2d, conv2d
from plugnas.modules._registry import register


@register(
    "fused_conv_bn",
    slot="transform",
    family="reparameterised",
    name="Convolution + batch norm, folded for deployment",
    choices={"kernel_size": (1, 3, 5)},
    aliases=(
        "fuse_conv_and_bn",
        "ConvBN",
    ),
    no_origin="what every runtime does to a trained network, not of one paper",
)
class FusedConvBN(nn.Module):
    """Trains a convolution with batch norm, and deploys as one biased convolution.

    y = gamma (W x - mu) / sqrt(var + eps) + beta. In eval mode this is the convolution of weight
    s W and bias beta - s mu, s = gamma / sqrt(var + eps) per output channel, which ``fuse``
    returns. (B, Cin, H, W) -> (B, Cout, ceil(H / stride), ceil(W / stride)).

    Departs from circulating code (pprp/awesome-attention-mechanism-in-cv,
    Plug-and-Play-Module/FuseBNConv.py): dilation, groups, dtype and device survive the folding.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: pixels from one output to the next, at least 1.
        kernel_size: k, taps per side, odd.
        dilation: d, pixels from one tap to the next.
        groups: groups of the convolution; they must divide both widths.
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
        self.conv = conv2d(
            in_channels, out_channels, kernel_size, stride=stride, dilation=dilation, groups=groups
        )
        self.norm = BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))

    def adopt(self, conv: nn.Conv2d) -> None:
        """Start from the weights of ``conv``: the same outputs in eval mode.

        In training the norm uses the statistics of the batch.

        Raises:
            AdoptError: the kernel, its dilation or the groups do not hold it.
        """
        load(self.conv, conv, bias=True)
        pass_on(self.norm, bias_of(conv))

    def fuse(self) -> nn.Module:
        """Return the folded convolution; the pair itself where hooks forbid folding."""
        return fold(self.conv, self.norm) if can_fold(self.conv, self.norm) else self
