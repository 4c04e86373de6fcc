"""Upsampling by a transposed convolution."""

from __future__ import annotations

from torch import Tensor, nn

from plugnas.modules._registry import register


@register(
    "transposed",
    slot="upsampling",
    family="learned_upsampling",
    name="Transposed convolution",
    year=2010,
    paper="CVPR 2010 (Zeiler et al.)",
    choices={"overlap": (1, 2)},
    aliases=("TransposedUpsampling", "UpConv"),
    no_origin="no code of the authors was found in November 2026; every library has the layer",
)
class TransposedUpsampling(nn.Module):
    """Adds a learned k x k patch to the larger map for every pixel, k = overlap s.

    y[o, s p + t - a] += sum_i x[i, p] W[i, o, t] for every tap t, a = ceil((k - s) / 2), + b[o];
    what falls beyond the border is dropped. ``overlap`` 1: patches touch (U-Net); 2: every pixel of
    the result is reached by four patches (FCN). k is a multiple of s, which avoids checkerboard
    patterns. (B, C, H, W) -> (B, C, s H, s W).
    """

    def __init__(self, channels: int, *, scale: int = 2, overlap: int = 2) -> None:
        super().__init__()
        excess = (overlap - 1) * scale
        padding = (excess + 1) // 2
        self.conv = nn.ConvTranspose2d(
            channels, channels, overlap * scale, scale, padding, 2 * padding - excess
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)
