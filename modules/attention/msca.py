"""Multi-scale convolutional attention."""

from __future__ import annotations

from torch import Tensor, nn

from plugnas.modules._parts import conv2d
from plugnas.modules._registry import register


def strip_pair(channels: int, length: int) -> nn.Sequential:
    """A row of depthwise taps, then a column: together a square of ``length`` of rank one."""
    return nn.Sequential(
        conv2d(channels, channels, (1, length), groups=channels, bias=True),
        conv2d(channels, channels, (length, 1), groups=channels, bias=True),
    )


@register(
    "msca",
    slot="attention",
    family="multi_scale",
    name="Multi-scale convolutional attention of SegNeXt",
    year=2022,
    paper="arXiv:2209.08575",
    choices={"strips": ((7, 11, 21), (7, 11), (7,))},
    aliases=("MSCA", "MSCAN", "SegNeXt", "SegNext_Attention"),
    origin="github.com/Visual-Attention-Network/SegNeXt, Apache-2.0",
)
class MultiScaleConvolutionalAttention(nn.Module):
    """Multiplies the map by a sum of depthwise convolutions of several lengths.

    u = depthwise 5x5 of x; att = conv1x1(u + sum_k C_k(R_k(u))), where R_k and C_k are depthwise
    1 x k and k x 1; y = att * x. Every layer has a bias, and no sigmoid limits att to [0, 1].
    (B, C, H, W) -> the same. ``strips`` are the lengths k. The paper puts it between two 1x1
    convolutions with a GELU; these belong to its block and not to the module.
    """

    def __init__(self, channels: int, *, strips: tuple[int, ...] = (7, 11, 21)) -> None:
        super().__init__()
        self.near = conv2d(channels, channels, 5, groups=channels, bias=True)
        self.strips = nn.ModuleList(strip_pair(channels, length) for length in strips)
        self.mix = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        near = self.near(x)
        total = near
        for strip in self.strips:
            total = total + strip(near)
        return x * self.mix(total)
