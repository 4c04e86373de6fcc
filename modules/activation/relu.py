"""Rectified linear unit."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._registry import register


@register(
    "relu",
    slot="activation",
    family="activation",
    name="Rectified linear unit",
    year=2010,
    no_origin="a layer of every library, not of one paper",
)
class ReLU(nn.Module):
    """Keeps what is positive and sets the rest to 0.

    y = max(x, 0), elementwise, out of place.
    """

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x)
