"""Bottleneck attention module (BAM)."""

from __future__ import annotations

from torch import Tensor, nn

from plugnas.modules._parts import ConvBN, conv2d, hidden_width, one_of
from plugnas.modules._registry import register
from plugnas.modules._same import bottleneck

_MODES = ("sum", "product")


@register(
    "bam",
    slot="attention",
    family="channel_spatial",
    name="Bottleneck attention module",
    year=2018,
    paper="arXiv:1807.06514",
    origin="github.com/Jongchan/attention-module, MIT",
    choices={"reduction": (4, 8, 16), "dilation": (1, 2, 4), "mode": _MODES},
    same={"reduction": bottleneck()},
    aliases=(
        "BAMBlock",
        "BottleneckAttentionModule",
    ),
)
class BAM(nn.Module):
    """Gates with a residual by a channel bottleneck and a dilated spatial bottleneck, joined.

    Mc: global mean -> linear to C // reduction, batch norm, ReLU, linear back: (B, C, 1, 1).
    Ms: 1x1 convolution to C // reduction, two 3x3 convolutions of the dilation, each with batch
    norm and ReLU, then 1x1 to one map: (B, 1, H, W).
    y = x (1 + sigmoid(Mc + Ms)), the paper's; ``mode="product"`` takes Mc * Ms, as the authors'
    code does. (B, C, H, W) -> the same.

    Departs from circulating code (xmu-xiaoma666/External-Attention-pytorch,
    model/attention/BAM.py): any H and W, dilation padded by itself, and training at batch 1. As in
    the authors' code the last layer of either branch has no batch norm.

    Args:
        channels: C, channels of the map.
        reduction: both branches narrow to C // reduction channels, at least 1.
        dilation: pixels between the taps of the two 3x3 convolutions.
        mode: ``sum`` or ``product``: how the two branches are joined.
    """

    def __init__(
        self, channels: int, *, reduction: int = 16, dilation: int = 4, mode: str = "sum"
    ) -> None:
        super().__init__()
        hidden = hidden_width(channels, reduction)
        self.mode = one_of("mode", mode, _MODES)
        self.channel = nn.Sequential(
            ConvBN(channels, hidden, activation=nn.ReLU()), conv2d(hidden, channels, bias=True)
        )
        self.spatial = nn.Sequential(
            ConvBN(channels, hidden, activation=nn.ReLU()),
            ConvBN(hidden, hidden, 3, dilation=dilation, activation=nn.ReLU()),
            ConvBN(hidden, hidden, 3, dilation=dilation, activation=nn.ReLU()),
            conv2d(hidden, 1, bias=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        channel, spatial = self.channel(x.mean((2, 3), keepdim=True)), self.spatial(x)
        logits = channel * spatial if self.mode == "product" else channel + spatial
        return x * (1 + logits.sigmoid())
