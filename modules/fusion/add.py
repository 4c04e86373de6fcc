"""Addition of two maps."""

from __future__ import annotations

from torch import Tensor, nn

from plugnas.modules._parts import resize_like
from plugnas.modules._registry import register


@register("add", slot="fusion", family="fusion", name="Addition", year=2015,
          paper="arXiv:1512.03385")  # fmt: skip
class Add(nn.Module):
    """Adds two maps, resizing the coarser one.

    x + y, with y resampled bilinearly to the size of x where the sizes differ.
    x (B, C, H, W), y (B, C, h, w) -> (B, C, H, W).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + resize_like(y, x)
