"""Multi-scale channel attention (MS-CAM) of Attentional Feature Fusion."""

from __future__ import annotations

from torch import Tensor, nn

from plugnas.modules._parts import ConvBN, hidden_width
from plugnas.modules._registry import register
from plugnas.modules._same import bottleneck


class MultiScaleChannelLogits(nn.Module):
    """Channel logits of each position and of the global mean, added: L(x) + G(x), (B, C, H, W).

    L and G are bottlenecks of their own: 1x1 convolution to C // reduction, batch norm, ReLU, 1x1
    convolution back, batch norm. The convolutions have no bias, which the batch norms would cancel.
    """

    def __init__(self, channels: int, *, reduction: int) -> None:
        super().__init__()
        hidden = hidden_width(channels, reduction)
        self.local_branch = _bottleneck(channels, hidden)
        self.global_branch = _bottleneck(channels, hidden)

    def forward(self, x: Tensor) -> Tensor:
        return self.local_branch(x) + self.global_branch(x.mean((2, 3), keepdim=True))


def _bottleneck(channels: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(
        ConvBN(channels, hidden, activation=nn.ReLU()),
        ConvBN(hidden, channels),
    )


@register(
    "ms_cam",
    slot="attention",
    family="channel_spatial",
    name="Multi-scale channel attention module",
    year=2020,
    paper="arXiv:2009.14082",
    origin="github.com/YimianDai/open-aff, NOASSERTION",
    choices={"reduction": (2, 4, 8, 16)},
    same={"reduction": bottleneck()},
)
class MSCAM(nn.Module):
    """Gates every value by a local and a global channel bottleneck, added before the sigmoid.

    y = x * sigmoid(L(x) + G(mean of x)), see ``MultiScaleChannelLogits``. (B, C, H, W) -> the same.

    Departs from circulating code (pprp/awesome-attention-mechanism-in-cv,
    AttentionModule/AFF/MC-CAM.py): trains at batch 1 (the batch norms of the global branch then use
    their running statistics); convolutions before a batch norm have no bias.
    """

    def __init__(self, channels: int, *, reduction: int = 4) -> None:
        super().__init__()
        self.logits = MultiScaleChannelLogits(channels, reduction=reduction)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.logits(x).sigmoid()
