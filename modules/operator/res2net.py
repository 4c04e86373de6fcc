"""Res2Net's hierarchy of convolutions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._parts import ConvBN
from plugnas.modules._registry import register


@register(
    "res2net",
    slot="operator",
    family="multi_scale",
    name="Res2Net hierarchical convolution",
    year=2019,
    paper="arXiv:1904.01169",
    choices={"scale": (2, 4, 6, 8)},
    aliases=(
        "Res2NetBlock",
        "Bottle2neck",
    ),
    origin="github.com/Res2Net/Res2Net-PretrainedModels, CC-BY-NC-SA-4.0",
)
class Res2Net(nn.Module):
    """Cuts the channels into parts and convolves each with the result of the one before added.

    y_1 = x_1; y_2 = K_2(x_2); y_i = K_i(x_i + y_(i-1)); out = [y_1, ..., y_s]. K_i is a k x k
    convolution, batch norm, ReLU. With a stride nothing is added, each K_i has the stride, and x_1
    is averaged over 3 x 3. Where Cin differs from Cout, a pointwise convolution with batch norm and
    ReLU comes first. (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)).

    Departs from the authors' code (res2net.py), which puts the untouched part last: the paper's
    order. The untouched part takes what C // scale leaves over; there are at most C parts.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        scale: s, parts of the channels, a limit; at most Cout.
        kernel_size: k, taps per side, odd.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        scale: int = 4,
        kernel_size: int = 3,
    ) -> None:
        super().__init__()
        parts = min(scale, out_channels)
        width = out_channels // parts
        convolved = max(1, parts - 1)
        self.widths = [out_channels - convolved * width, *[width] * convolved]
        self.additive = stride == 1
        self.enter: nn.Module = nn.Identity()
        if in_channels != out_channels:
            self.enter = ConvBN(in_channels, out_channels, activation=nn.ReLU())
        self.untouched = nn.Identity() if stride == 1 else nn.AvgPool2d(3, stride, padding=1)
        self.steps = nn.ModuleList(
            ConvBN(width, width, kernel_size, stride=stride, activation=nn.ReLU())
            for _ in range(convolved)
        )

    def forward(self, x: Tensor) -> Tensor:
        first, *rest = self.enter(x).split(self.widths, dim=1)
        outputs = [self.untouched(first)] if self.widths[0] else []
        y = None
        for part, step in zip(rest, self.steps, strict=True):
            y = step(part if y is None or not self.additive else part + y)
            outputs.append(y)
        return torch.cat(outputs, dim=1)
