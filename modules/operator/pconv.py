"""Partial convolution of FasterNet."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._adopt import centre_tap, load
from plugnas.modules._parts import conv2d, hidden_width
from plugnas.modules._registry import register
from plugnas.modules.errors import AdoptError


@register(
    "pconv",
    slot="operator",
    family="partial",
    name="FasterNet partial convolution (PConv)",
    year=2023,
    paper="arXiv:2303.03667",
    choices={"reduction": (2, 4, 8), "kernel_size": (3, 5, 7)},
    aliases=(
        "PartialConv",
        "Partial_conv3",
    ),
    origin="github.com/JierunChen/FasterNet, NOASSERTION",
)
class PartialConvolution(nn.Module):
    """Convolves the first C / r channels and lets the others through untouched.

    y[:c] = conv k x k(x[:c]; c -> c), y[c:] = x[c:], c = max(1, C // reduction). Neither bias nor
    norm.
    (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)).

    Departs from the paper, which keeps size and width: with a stride s the convolution takes it
    and the untouched channels are averaged over s x s; a 1x1 convolution follows where Cout differs
    from Cin.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        reduction: r: the first C // r channels are convolved, at least 1.
        kernel_size: k, taps per side, odd.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        reduction: int = 4,
        kernel_size: int = 3,
    ) -> None:
        super().__init__()
        self.stride = stride
        self.width = hidden_width(in_channels, reduction)
        self.conv = conv2d(self.width, self.width, kernel_size, stride=stride)
        same = in_channels == out_channels
        self.project = nn.Identity() if same else conv2d(in_channels, out_channels)

    @torch.no_grad()
    def adopt(self, conv: nn.Conv2d) -> None:
        """Start from the weights of ``conv``, 1 x 1 between other widths: the same outputs.

        Raises:
            AdoptError: another convolution, a stride, or Cout = Cin, where nothing mixes the
                channels that are let through.
        """
        if not isinstance(self.project, nn.Conv2d) or self.stride > 1:
            raise AdoptError(
                "most channels go through untouched, or averaged with a stride; only at stride 1 "
                "and with another number of output channels can a 1x1 convolution be held"
            )
        load(self.project, conv)
        centre_tap(self.conv, torch.eye(self.width))

    def forward(self, x: Tensor) -> Tensor:
        first, rest = x.split([self.width, x.shape[1] - self.width], dim=1)
        if self.stride > 1:
            rest = F.avg_pool2d(rest, self.stride, ceil_mode=True)
        return self.project(torch.cat([self.conv(first), rest], dim=1))
