"""ACON: activate or not."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._parts import conv2d, hidden_width, one_of
from plugnas.modules._registry import register

_FORMS = ("acon_c", "meta_acon")


@register(
    "acon",
    slot="activation",
    family="activation",
    name="ACON (activate or not)",
    year=2020,
    paper="arXiv:2009.04759",
    choices={"form": _FORMS},
    aliases=("acon_c", "meta_acon", "MetaAconC"),
    origin="github.com/nmaac/acon, MIT",
)
class ACON(nn.Module):
    """Switches smoothly, per channel, between the larger of two lines and their mean.

    y = (p1 - p2) x sigmoid(b (p1 - p2) x) + p2 x; p1 and p2 are learned per channel and start as
    standard normal numbers. ``acon_c``: b is learned per channel, from 1. ``meta_acon``:
    b = sigmoid(W2 W1 m), m the channel means, W1: C -> max(16, C // 16), W2 back, without bias.
    (B, C, H, W) -> the same.

    Departs from the authors' latest code: no batch norm after W1 and W2, as in the paper's formula
    and in ultralytics' code, where it was taken out because training with it was unstable.
    """

    def __init__(self, channels: int, *, form: str = "acon_c") -> None:
        super().__init__()
        self.p1 = nn.Parameter(torch.randn(1, channels, 1, 1))
        self.p2 = nn.Parameter(torch.randn(1, channels, 1, 1))
        self.beta: nn.Parameter | None = None
        if one_of("form", form, _FORMS) == "acon_c":
            self.beta = nn.Parameter(torch.ones(1, channels, 1, 1))
        else:
            hidden = hidden_width(channels, 16, minimum=16)
            self.switch = nn.Sequential(
                conv2d(channels, hidden), conv2d(hidden, channels), nn.Sigmoid()
            )

    def forward(self, x: Tensor) -> Tensor:
        beta = self.switch(x.mean((2, 3), keepdim=True)) if self.beta is None else self.beta
        rest = (self.p1 - self.p2) * x
        return torch.addcmul(self.p2 * x, rest, (beta * rest).sigmoid())
