"""Flattening of a map."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._registry import register


@register(
    "flatten",
    slot="pooling",
    family="reshape",
    name="Flattened grid",
    choices={"grid": (1, 2, 4)},
    no_origin="a layer of every library, not of one paper",
)
class FlattenedGrid(nn.Module):
    """Averages the map to a fixed grid and flattens it into a vector, channel by channel.

    (B, C, H, W) -> (B, C grid^2), whatever H and W are.

    With grid=None the map itself is flattened, (B, C H W): its length depends on the input, so
    ``out_features`` is None, and a layer can follow only where the size is fixed.
    """

    def __init__(self, channels: int, *, grid: int | None = 2) -> None:
        super().__init__()
        self.grid = grid
        self.out_features = None if grid is None else channels * grid**2

    def forward(self, x: Tensor) -> Tensor:
        if self.grid is not None:
            x = F.adaptive_avg_pool2d(x, self.grid)
        return x.flatten(1)
