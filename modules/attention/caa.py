"""Context anchor attention."""

from __future__ import annotations

from torch import Tensor, nn

from plugnas.modules._parts import ConvBN, conv2d
from plugnas.modules._registry import register


@register(
    "caa",
    slot="attention",
    family="spatial",
    name="Context anchor attention of PKINet",
    year=2024,
    paper="arXiv:2403.06258",
    choices={"kernel_size": (11, 15, 19)},
)
class ContextAnchorAttention(nn.Module):
    """Gates each pixel and channel by what a long row and a long column of a smoothed map show.

    f = silu(BN(conv1x1(mean over the 7x7 neighbours))); r = depthwise 1 x k of f, c = depthwise
    k x 1 of r, both with bias; y = x sigmoid(silu(BN(conv1x1(c)))). Zeros beyond the border take
    part in the mean. (B, C, H, W) -> the same. ``kernel_size`` is k: the paper's is 11 in the
    first block of a stage and grows by 2 with each block.

    As in the authors' code a SiLU stands before the sigmoid, so that no gate is below 0.43. The
    norms have torch's eps of 1e-5 (there 1e-3).
    """

    def __init__(self, channels: int, *, kernel_size: int = 11) -> None:
        super().__init__()
        self.smooth = nn.AvgPool2d(7, stride=1, padding=3)
        self.encode = ConvBN(channels, channels, 1, activation=nn.SiLU())
        self.row = conv2d(channels, channels, (1, kernel_size), groups=channels, bias=True)
        self.column = conv2d(channels, channels, (kernel_size, 1), groups=channels, bias=True)
        self.decode = ConvBN(channels, channels, 1, activation=nn.SiLU())

    def forward(self, x: Tensor) -> Tensor:
        context = self.column(self.row(self.encode(self.smooth(x))))
        return x * self.decode(context).sigmoid()
