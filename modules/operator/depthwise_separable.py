"""Depthwise separable convolution."""

from __future__ import annotations

from torch import Tensor, nn

from plugnas.modules._parts import BatchNorm2d, conv2d, one_of
from plugnas.modules._registry import register

_FORMS = ("bn_relu", "bn_leaky", "plain")


@register(
    "depthwise_separable",
    slot="operator",
    family="factorised",
    name="Depthwise separable convolution (Xception, MobileNet, DeepLabv3+)",
    year=2016,
    paper="arXiv:1610.02357, arXiv:1704.04861",
    choices={
        "kernel_size": (3, 5, 7),
        "dilation": (1, 2),
        "form": ("bn_relu", "plain"),
        "expansion": (1, 2),
    },
)
class DepthwiseSeparable(nn.Module):
    """Filters every channel on its own in space, then mixes the channels at every pixel.

    y = pointwise(act(norm(depthwise(x)))): a k x k depthwise convolution with ``expansion``
    filters per channel, stride and dilation; then 1x1 to Cout. (B, Cin, H, W) -> (B, Cout,
    ceil(H / s), ceil(W / s)).

    Forms: ``bn_relu`` (MobileNet, DeepLabv3+), ``bn_leaky`` (LeakyReLU 0.1), ``plain`` (Xception:
    nothing between). Departs from MobileNet: norm and activation behind the pointwise layer are
    the host's, and no convolution has a bias; the padding follows kernel and dilation.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        kernel_size: int = 3,
        dilation: int = 1,
        form: str = "bn_relu",
        expansion: int = 1,
    ) -> None:
        super().__init__()
        one_of("form", form, _FORMS)
        hidden = in_channels * expansion
        layers: list[nn.Module] = [
            conv2d(
                in_channels, hidden, kernel_size, stride=stride, dilation=dilation,
                groups=in_channels,
            )
        ]  # fmt: skip
        if form != "plain":
            activation = nn.ReLU() if form == "bn_relu" else nn.LeakyReLU(0.1)
            layers += [BatchNorm2d(hidden), activation]
        self.depthwise = nn.Sequential(*layers)
        self.pointwise = conv2d(hidden, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))
