"""Squeeze-and-Excitation."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import hidden_width
from plugnas.modules._registry import register
from plugnas.modules._same import bottleneck


@register(
    "se",
    slot="attention",
    family="channel",
    name="Squeeze-and-Excitation",
    year=2017,
    paper="arXiv:1709.01507",
    origin="github.com/hujie-frank/SENet, Apache-2.0",
    choices={"reduction": (4, 8, 16)},
    same={"reduction": bottleneck()},
    aliases=(
        "SENet",
        "SEAttention",
        "SELayer",
        "SEModule",
        "SqueezeExcite",
        "SqueezeExcitation",
    ),
)
class SqueezeExcitation(nn.Module):
    """Gates each channel by a bottleneck MLP of the global channel means.

    z = mean of x over H, W; s = sigmoid(W2 relu(W1 z)); y = s x.
    (B, C, H, W) -> the same. W1: C -> max(1, C // reduction), W2 back, both without bias.

    Departs from circulating code (xmu-xiaoma666/External-Attention-pytorch,
    model/attention/SEAttention.py): the hidden width never falls to 0 where C < reduction.
    """

    def __init__(self, channels: int, *, reduction: int = 16) -> None:
        super().__init__()
        hidden = hidden_width(channels, reduction)
        self.squeeze = nn.Conv2d(channels, hidden, 1, bias=False)
        self.excite = nn.Conv2d(hidden, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        z = x.mean((2, 3), keepdim=True)  # (B, C, 1, 1)
        return x * self.excite(F.relu(self.squeeze(z))).sigmoid()
