"""Funnel activation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._parts import ConvBN
from plugnas.modules._registry import register


@register(
    "frelu",
    slot="activation",
    family="activation",
    name="Funnel activation",
    year=2020,
    paper="arXiv:2007.11824",
    choices={"kernel_size": (3, 5)},
    origin="github.com/megvii-model/FunnelAct, MIT",
)
class FReLU(nn.Module):
    """Takes the larger of each value and a condition computed from its neighbourhood.

    y = max(x, T(x)), T the batch norm of a depthwise k x k convolution: a rectifier whose 0 is
    replaced by a value of the neighbourhood. (B, C, H, W) -> the same.

    Departs from the authors' code: the convolution has no bias, which the norm would cancel, and
    torch's initialisation, of which the norm removes the scale (there a deviation of 0.01).
    """

    def __init__(self, channels: int, *, kernel_size: int = 3) -> None:
        super().__init__()
        self.funnel = ConvBN(channels, channels, kernel_size, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        return torch.maximum(x, self.funnel(x))
