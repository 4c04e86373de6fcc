"""FasterNet block."""

from __future__ import annotations

from torch import Tensor, nn

from plugnas.modules._parts import BatchNorm2d, ConvBN, conv2d, drop_path, hidden_width
from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site
from plugnas.modules.operator._patches import patch_conv
from plugnas.modules.operator.pconv import PartialConvolution


def _part(site: Site, setting: Setting) -> int:
    """Channels that are convolved."""
    return hidden_width(site.width_out, setting["reduction"])


@register(
    "faster_block",
    slot="operator",
    family="partial",
    name="FasterNet block",
    year=2023,
    paper="arXiv:2303.03667",
    choices={"reduction": (2, 4, 8), "expansion": (2, 4)},
    aliases=("FasterNetBlock", "FasterBlock"),
    origin="github.com/JierunChen/FasterNet, NOASSERTION",
    same={"reduction": _part},
)
class FasterBlock(nn.Module):
    """A convolution of the first channels, then a wide layer at every pixel, added to the input.

    y = x + W2 relu(BN(W1 PConv(x))): PConv convolves the first C / r channels by 3x3 and leaves the
    others, W1: C -> eC, W2: eC -> C, no biases. ``drop_path``: stochastic depth.

    Where Cin differs from Cout or there is a stride, the paper's merging layer stands before: an
    s x s convolution of stride s and batch norm, on a map padded to a multiple of s.
    (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)). ReLU as in the paper's larger networks;
    its two smallest have GELU.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        reduction: r: the first C // r channels are convolved, at least 1.
        expansion: e, hidden channels over C.
        drop_path: probability with which a sample's branch is left out in training, below 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        reduction: int = 4,
        expansion: int = 2,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.enter: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.enter = nn.Sequential(
                *patch_conv(in_channels, out_channels, stride), BatchNorm2d(out_channels)
            )
        hidden = out_channels * expansion
        self.partial = PartialConvolution(out_channels, out_channels, reduction=reduction)
        self.expand = ConvBN(out_channels, hidden, activation=nn.ReLU())
        self.project = conv2d(hidden, out_channels)
        self.drop_path = drop_path

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        u = self.project(self.expand(self.partial(x)))
        return x + drop_path(u, self.drop_path, training=self.training)
