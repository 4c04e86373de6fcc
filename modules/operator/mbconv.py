"""MBConv."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import ConvBN, drop_path, hidden_width
from plugnas.modules._registry import register


class _SqueezeExcite(nn.Module):
    """Gates channels by swish and sigmoid layers with bias; the hidden width is given."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, hidden, 1)
        self.excite = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        z = x.mean((2, 3), keepdim=True)
        return x * self.excite(F.silu(self.squeeze(z))).sigmoid()


@register(
    "mbconv",
    slot="operator",
    family="mobile",
    name="MBConv (EfficientNet inverted residual with SE)",
    year=2019,
    paper="arXiv:1905.11946",
    choices={"kernel_size": (3, 5), "expansion": (1, 3, 4, 6), "se_reduction": (0, 4)},
    aliases=(
        "MBConvBlock",
        "InvertedResidual",
        "EfficientNet",
    ),
    origin="github.com/tensorflow/tpu, Apache-2.0",
)
class MBConv(nn.Module):
    """Inverted residual: expand by 1x1, filter depthwise, gate channels (SE), project by 1x1.

    u = swish(BN(1x1(x; C -> eC))) (left out for e = 1); u = swish(BN(depthwise k x k, stride s));
    u = SE(u); y = BN(1x1(u; eC -> Cout)); y + x where s = 1 and Cin = Cout, with stochastic depth
    ``drop_path`` on y. SE's hidden width is max(1, Cin // se_reduction); 0 leaves SE out.
    (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)).

    Departs from circulating code (xmu-xiaoma666/External-Attention-pytorch, model/conv/MBConv.py):
    symmetric padding k // 2 for any size (there a fixed image size), torch's batch norm constants
    (there an epsilon of 0.01, which is 1 minus TensorFlow's decay).

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        kernel_size: k, taps per side of the depthwise convolution, odd.
        expansion: e, the width inside over Cin; 1: no first layer.
        se_reduction: SE's hidden width is Cin // se_reduction, at least 1; 0: no SE.
        drop_path: probability with which a sample's branch is left out in training, below 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        kernel_size: int = 3,
        expansion: int = 6,
        se_reduction: int = 4,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        hidden = in_channels * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers.append(ConvBN(in_channels, hidden, activation=nn.SiLU()))
        layers.append(
            ConvBN(hidden, hidden, kernel_size, stride=stride, groups=hidden, activation=nn.SiLU())
        )
        if se_reduction:
            layers.append(_SqueezeExcite(hidden, hidden_width(in_channels, se_reduction)))
        layers.append(ConvBN(hidden, out_channels))
        self.layers = nn.Sequential(*layers)
        self.skip = stride == 1 and in_channels == out_channels
        self.drop_path = drop_path

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x)
        return x + drop_path(y, self.drop_path, training=self.training) if self.skip else y
