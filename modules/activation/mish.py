"""Mish."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._registry import register


@register(
    "mish",
    slot="activation",
    family="activation",
    name="Mish",
    year=2019,
    paper="arXiv:1908.08681",
    origin="github.com/digantamisra98/Mish, MIT",
)
class Mish(nn.Module):
    """Multiplies each value by the hyperbolic tangent of its softplus.

    y = x tanh(ln(1 + e^x)), elementwise.
    """

    def forward(self, x: Tensor) -> Tensor:
        return F.mish(x)
