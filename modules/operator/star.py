"""Star block of StarNet."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import ConvBN, conv2d, drop_path
from plugnas.modules._registry import register


@register(
    "star",
    slot="operator",
    family="gating",
    name="StarNet star block",
    year=2024,
    paper="arXiv:2403.19967",
    choices={"expansion": (2, 3, 4), "kernel_size": (3, 7)},
    aliases=("StarNet", "StarBlock", "star_operation"),
    origin="github.com/ma-xu/Rewrite-the-Stars, Apache-2.0",
)
class Star(nn.Module):
    """Multiplies two wide pointwise convolutions of a depthwise filtered map.

    z = BN(depthwise k x k(x), stride s); u = BN(1x1(relu6(W1 z) W2 z; e Cin -> Cout)), W1 and W2
    1x1 convolutions Cin -> e Cin; y = depthwise k x k(u), + x where s = 1 and Cin = Cout, with
    stochastic depth ``drop_path`` on the branch. Every convolution but those before a norm has a
    bias. (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)).

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        expansion: e, the width inside over Cin.
        kernel_size: k, taps per side of both depthwise filters, odd.
        drop_path: probability with which a sample's branch is left out in training, below 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        expansion: int = 4,
        kernel_size: int = 7,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        hidden = in_channels * expansion
        self.filter = ConvBN(
            in_channels, in_channels, kernel_size, stride=stride, groups=in_channels
        )
        self.left = conv2d(in_channels, hidden, bias=True)
        self.right = conv2d(in_channels, hidden, bias=True)
        self.project = nn.Sequential(
            ConvBN(hidden, out_channels),
            conv2d(out_channels, out_channels, kernel_size, groups=out_channels, bias=True),
        )
        self.skip = stride == 1 and in_channels == out_channels
        self.drop_path = drop_path

    def forward(self, x: Tensor) -> Tensor:
        z = self.filter(x)
        y = self.project(F.relu6(self.left(z)) * self.right(z))
        return x + drop_path(y, self.drop_path, training=self.training) if self.skip else y
