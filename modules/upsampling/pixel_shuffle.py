"""Upsampling by sub-pixel convolution."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import conv2d
from plugnas.modules._registry import register


@register(
    "pixel_shuffle",
    slot="upsampling",
    family="learned_upsampling",
    name="Sub-pixel convolution (ESPCN)",
    year=2016,
    paper="arXiv:1609.05158",
    choices={"kernel_size": (1, 3)},
    aliases=("PixelShuffle", "SubPixelConv", "ESPCN"),
    no_origin="no code of the authors was found in November 2026; every library has the layer",
)
class SubPixelConvolution(nn.Module):
    """Makes s^2 channels for each one and lays them out as a block of s x s pixels.

    z = conv k x k(x; C -> s^2 C), with bias; y[c, s i + a, s j + b] = z[s^2 c + s a + b, i, j].
    (B, C, H, W) -> (B, C, s H, s W).
    """

    def __init__(self, channels: int, *, scale: int = 2, kernel_size: int = 3) -> None:
        super().__init__()
        self.scale = scale
        self.conv = conv2d(channels, channels * scale**2, kernel_size, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(self.conv(x), self.scale)
