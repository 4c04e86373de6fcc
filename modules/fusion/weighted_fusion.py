"""Fast normalised fusion of BiFPN."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import one_of, resize_like
from plugnas.modules._registry import register

_MODES = ("fast", "softmax", "sum")


@register(
    "weighted_fusion",
    slot="fusion",
    family="gating",
    name="BiFPN fast normalised fusion",
    year=2019,
    paper="arXiv:1911.09070",
    choices={"mode": _MODES},
)
class WeightedFusion(nn.Module):
    """Adds two maps with one learned weight each.

    y = a_1 x + a_2 y, the a_i computed from two scalars w_i that start at 1:
    fast: a_i = relu(w_i) / (eps + sum_j relu(w_j)); softmax: a = softmax(w); sum: a = w.
    x (B, C, H, W), y (B, C, h, w) -> (B, C, H, W); y is resampled to the size of x.

    Departs from circulating code, whose weights are sigmoids that do not sum to 1: the paper's
    three formulas decide. BiFPN's convolution after the sum is the host's.
    """

    def __init__(self, channels: int, *, mode: str = "fast", eps: float = 1e-4) -> None:
        super().__init__()
        self.mode = one_of("mode", mode, _MODES)
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(2))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        a = self._shares()
        return a[0] * x + a[1] * resize_like(y, x)

    def _shares(self) -> Tensor:
        if self.mode == "sum":
            return self.weight
        if self.mode == "softmax":
            return self.weight.softmax(0)
        positive = F.relu(self.weight)
        return positive / (self.eps + positive.sum())
