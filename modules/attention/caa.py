"""Context anchor attention."""

from __future__ import annotations

from torch import Tensor, nn

from plugnas.modules._parts import conv2d
from plugnas.modules._registry import register


@register(
    "caa",
    slot="attention",
    family="large_kernel",
    name="Context anchor attention of PKINet",
    year=2024,
    paper="arXiv:2403.06258",
    choices={"kernel_size": (11, 15, 19)},
    aliases=("CAA",),
    origin="github.com/NUST-Machine-Intelligence-Laboratory/PKINet, Apache-2.0",
)
class ContextAnchorAttention(nn.Module):
    """Gates each pixel and channel by what a long row and a long column of a smoothed map show.

    f = conv1x1(mean over the 7x7 neighbours); r = depthwise 1 x k of f, c = depthwise k x 1 of r;
    y = x sigmoid(conv1x1(c)). All convolutions have a bias; zeros beyond the border take part in
    the mean. (B, C, H, W) -> the same. ``kernel_size`` is k: in the paper 11 in the first block
    of a stage, growing by 2 with each block.

    As in the paper and in the authors' network nothing but the sigmoid is nonlinear. Their class
    has a batch norm and a SiLU after each 1x1 convolution by default, which their network turns
    off and a copy (z1069614715/objectdetection_script, cv-attention/CAA.py) leaves on (no gate is
    then below 0.43).
    """

    def __init__(self, channels: int, *, kernel_size: int = 11) -> None:
        super().__init__()
        self.context = nn.Sequential(
            nn.AvgPool2d(7, stride=1, padding=3),
            nn.Conv2d(channels, channels, 1),
            conv2d(channels, channels, (1, kernel_size), groups=channels, bias=True),
            conv2d(channels, channels, (kernel_size, 1), groups=channels, bias=True),
            nn.Conv2d(channels, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.context(x).sigmoid()
