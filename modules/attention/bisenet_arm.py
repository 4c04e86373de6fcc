"""The attention refinement module of BiSeNet."""

from __future__ import annotations

from torch import Tensor, nn

from plugnas.modules._parts import ConvBN
from plugnas.modules._registry import register


@register(
    "bisenet_arm",
    slot="attention",
    family="channel",
    name="BiSeNet attention refinement module",
    year=2018,
    paper="arXiv:1808.00897",
    origin="github.com/ycszen/TorchSeg, MIT",
    choices={"pre_conv": (False, True)},
    aliases=(
        "AttentionRefinementModule",
        "ARM",
    ),
)
class BiSeNetARM(nn.Module):
    """Gates each channel by one normalised linear map of the global channel means.

    y = x * sigmoid(BN(1x1 convolution of the mean of x)). (B, C, H, W) -> the same.
    ``pre_conv``: a 3x3 convolution with batch norm and ReLU comes first and is what is gated.

    Departs from circulating code (pprp/awesome-attention-mechanism-in-cv,
    AttentionModule/BiSeNet/bisemodel.py): the batch norm is used, as in the paper, and trains at
    batch 1 (with its running statistics).
    """

    def __init__(self, channels: int, *, pre_conv: bool = False) -> None:
        super().__init__()
        self.before = (
            ConvBN(channels, channels, 3, activation=nn.ReLU()) if pre_conv else nn.Identity()
        )
        self.gate = ConvBN(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.before(x)
        return x * self.gate(x.mean((2, 3), keepdim=True)).sigmoid()
