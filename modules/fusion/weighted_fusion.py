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
    aliases=(
        "WeightedFeatureFusion",
        "BiFPN",
    ),
    origin="github.com/google/automl, Apache-2.0",
)
class WeightedFusion(nn.Module):
    """Adds two maps or more with one learned weight each.

    out = a_1 x + a_2 y + ..., the a_i computed from ``inputs`` scalars w_i that start at 1:
    fast: a_i = relu(w_i) / (eps + sum_j relu(w_j)); softmax: a = softmax(w); sum: a = w.
    x (B, C, H, W), the others (B, C, h, w) -> (B, C, H, W); they are resampled to the size of x.

    Departs from circulating code (pprp/awesome-attention-mechanism-in-cv,
    Plug-and-Play-Module/WeightedFeatureFusion.py), whose weights are sigmoids that do not sum to 1:
    the paper's three formulas decide. BiFPN's convolution after the sum is left to the host.

    Args:
        channels: C, the same for all maps; not used.
        mode: ``fast``, ``softmax`` or ``sum``: how a_i follows from w.
        inputs: maps that are added, at least 2.
        eps: keeps the sum of weights in ``fast`` above 0.
    """

    def __init__(
        self, channels: int, *, mode: str = "fast", inputs: int = 2, eps: float = 1e-4
    ) -> None:
        super().__init__()
        self.mode = one_of("mode", mode, _MODES)
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(inputs))

    def forward(self, x: Tensor, y: Tensor, *more: Tensor) -> Tensor:
        a, others = self._shares(), (y, *more)
        if len(a) != 1 + len(others):
            raise ValueError(f"built for {len(a)} maps, but got {1 + len(others)}; set `inputs`")
        total = a[0] * x
        for share, other in zip(a[1:], others, strict=True):
            total = total + share * resize_like(other, x)
        return total

    def _shares(self) -> Tensor:
        if self.mode == "sum":
            return self.weight
        if self.mode == "softmax":
            return self.weight.softmax(0)
        positive = F.relu(self.weight)
        return positive / (self.eps + positive.sum())
