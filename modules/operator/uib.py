"""Universal inverted bottleneck of MobileNetV4."""

from __future__ import annotations

from torch import Tensor, nn

from plugnas.modules._parts import ConvBN, drop_path
from plugnas.modules._registry import register


@register(
    "uib",
    slot="operator",
    family="mobile",
    name="MobileNetV4 universal inverted bottleneck",
    year=2024,
    paper="arXiv:2404.10518",
    choices={
        "start_kernel_size": (0, 3, 5),
        "middle_kernel_size": (0, 3, 5),
        "expansion": (2, 4),
    },
    aliases=("UniversalInvertedBottleneck", "UniversalInvertedResidual", "MobileNetV4"),
    origin="github.com/tensorflow/models, Apache-2.0",
)
class UniversalInvertedBottleneck(nn.Module):
    """An inverted bottleneck with a depthwise filter before it, in its middle, in both or neither.

    u = BN(depthwise a x a(x)); u = relu(BN(1x1(u; C -> eC))); u = relu(BN(depthwise b x b(u)));
    y = BN(1x1(u; eC -> Cout)); y + x where s = 1 and Cin = Cout, with stochastic depth
    ``drop_path``. a = ``start_kernel_size``, b = ``middle_kernel_size``, 0 leaves a filter out:
    (0, b) is the inverted bottleneck, (a, 0) ConvNeXt-like, (a, b) the extra depthwise one, (0, 0)
    a feed-forward layer. (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)).

    The middle filter takes the stride, the first one where there is no other. Departs from the
    paper: where there is neither, the map is averaged over s x s; eC is not rounded to 8.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        start_kernel_size: a, taps per side of the first filter, odd; 0: none.
        middle_kernel_size: b, taps per side of the middle filter, odd; 0: none.
        expansion: e, the width inside over C.
        drop_path: probability with which a sample's branch is left out in training, below 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        start_kernel_size: int = 3,
        middle_kernel_size: int = 3,
        expansion: int = 4,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        hidden = in_channels * expansion
        first = 1 if middle_kernel_size else stride
        layers: list[nn.Module] = []
        if start_kernel_size:
            layers.append(
                ConvBN(
                    in_channels, in_channels, start_kernel_size, stride=first, groups=in_channels
                )
            )
        elif first > 1:
            layers.append(nn.AvgPool2d(stride, ceil_mode=True))
        layers.append(ConvBN(in_channels, hidden, activation=nn.ReLU()))
        if middle_kernel_size:
            layers.append(
                ConvBN(
                    hidden, hidden, middle_kernel_size, stride=stride, groups=hidden,
                    activation=nn.ReLU(),
                )
            )  # fmt: skip
        layers.append(ConvBN(hidden, out_channels))
        self.layers = nn.Sequential(*layers)
        self.skip = stride == 1 and in_channels == out_channels
        self.drop_path = drop_path

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x)
        return x + drop_path(y, self.drop_path, training=self.training) if self.skip else y
