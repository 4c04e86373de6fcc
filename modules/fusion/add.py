"""Addition of two maps."""

from __future__ import annotations

from torch import Tensor, nn

from plugnas.modules._parts import resize_like
from plugnas.modules._registry import register


@register(
    "add",
    slot="fusion",
    family="fusion",
    name="Addition",
    year=2015,
    paper="arXiv:1512.03385",
    origin="github.com/KaimingHe/deep-residual-networks, MIT",
)
class Add(nn.Module):
    """Adds two maps or more, resizing the coarser ones.

    x + y + ..., all but x resampled bilinearly to the size of x where the sizes differ.
    x (B, C, H, W), the others (B, C, h, w) -> (B, C, H, W).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()

    def forward(self, x: Tensor, y: Tensor, *more: Tensor) -> Tensor:
        total = x
        for other in (y, *more):
            total = total + resize_like(other, x)
        return total
