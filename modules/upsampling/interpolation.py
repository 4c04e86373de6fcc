"""Interpolation: nearest neighbour and bilinear."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._registry import register


@register(
    "nearest",
    slot="upsampling",
    family="interpolation",
    name="Nearest-neighbour upsampling",
    aliases=("NearestUpsampling", "UpsamplingNearest2d"),
    no_origin="a layer of every library, not of one paper",
)
class NearestUpsampling(nn.Module):
    """Repeats every value s times along both axes.

    y[i, j] = x[i // s, j // s]. (B, C, H, W) -> (B, C, s H, s W); no parameters.
    """

    def __init__(self, channels: int, *, scale: int = 2) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=self.scale, mode="nearest")


@register(
    "bilinear",
    slot="upsampling",
    family="interpolation",
    name="Bilinear upsampling",
    aliases=("BilinearUpsampling", "UpsamplingBilinear2d"),
    no_origin="a layer of every library, not of one paper",
)
class BilinearUpsampling(nn.Module):
    """Reads the map between its pixels, linearly along both axes.

    y[i, j] = x at row (i + 1/2) / s - 1/2 and column likewise, border values beyond the border
    (``align_corners=False``). (B, C, H, W) -> (B, C, s H, s W); no parameters.
    """

    def __init__(self, channels: int, *, scale: int = 2) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=self.scale, mode="bilinear", align_corners=False)
