"""Parametric rectified linear unit."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._registry import register


@register(
    "prelu",
    slot="activation",
    family="activation",
    name="Parametric rectified linear unit",
    year=2015,
    paper="arXiv:1502.01852",
    choices={"shared": (False, True)},
    no_origin="no code of the authors was found in November 2026; every library has the layer",
)
class PReLU(nn.Module):
    """Keeps what is positive and scales the rest by a slope that is learned.

    y = max(x, 0) + a min(x, 0); one a per channel, or one for all (``shared``); a starts at 0.25.
    (B, C, H, W) -> the same. Train the slopes without weight decay, as the paper does: decay
    pulls them to 0 and so back to ReLU.

    Departs from torch.nn.PReLU: slopes per channel by default, as in the paper.
    """

    def __init__(self, channels: int, *, shared: bool = False) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.full((1 if shared else channels,), 0.25))

    def forward(self, x: Tensor) -> Tensor:
        return F.prelu(x, self.slope)
