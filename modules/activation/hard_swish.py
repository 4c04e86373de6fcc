"""Hard swish and hard sigmoid, the piecewise forms of MobileNetV3."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._registry import register


@register(
    "hard_swish",
    slot="activation",
    family="activation",
    name="Hard swish",
    year=2019,
    paper="arXiv:1905.02244",
    aliases=(
        "hardswish",
        "h_swish",
    ),
    origin="github.com/tensorflow/models, Apache-2.0",
)
class HardSwish(nn.Module):
    """Multiplies each value by its own hard sigmoid: swish without an exponential.

    y = x min(max(x + 3, 0), 6) / 6, elementwise: 0 up to -3, x from 3 on.
    """

    def forward(self, x: Tensor) -> Tensor:
        return F.hardswish(x)


@register(
    "hard_sigmoid",
    slot="activation",
    family="activation",
    name="Hard sigmoid",
    year=2019,
    paper="arXiv:1905.02244",
    aliases=("hardsigmoid", "h_sigmoid"),
    origin="github.com/tensorflow/models, Apache-2.0",
)
class HardSigmoid(nn.Module):
    """Maps each value into 0..1 by a straight line of slope 1/6.

    y = min(max(x + 3, 0), 6) / 6, elementwise. The older form of slope 1/5 is another function.
    """

    def forward(self, x: Tensor) -> Tensor:
        return F.hardsigmoid(x)
