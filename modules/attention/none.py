"""No module: the choice that every slot of extras should be compared with."""

from __future__ import annotations

from torch import Tensor, nn

from plugnas.modules._registry import register


@register(
    "none",
    slot="attention",
    family="identity",
    name="No module",
    also=("context",),
    no_origin="no mechanism at all",
)
class NoModule(nn.Module):
    """Returns its input: nothing stands in the slot. (B, C, H, W) -> the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return x
