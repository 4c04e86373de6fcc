"""Depthwise separable convolution."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._adopt import check_plain
from plugnas.modules._kernel import DenseKernel
from plugnas.modules._parts import BatchNorm2d, conv2d, one_of
from plugnas.modules._registry import register
from plugnas.modules.errors import AdoptError

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
    aliases=(
        "DepthwiseSeparableConv2d",
        "DepthwiseSeparableConvolution",
        "DepthwiseSeparableConv",
        "SeparableConv2d",
        "DWSConv",
    ),
    origin="github.com/tensorflow/models, Apache-2.0",
)
class DepthwiseSeparable(nn.Module):
    """Filters every channel on its own in space, then mixes the channels at every pixel.

    y = pointwise(act(norm(depthwise(x)))): a k x k depthwise convolution with ``expansion``
    filters per channel, stride and dilation; then 1x1 to Cout. (B, Cin, H, W) -> (B, Cout,
    ceil(H / s), ceil(W / s)).

    Forms: ``bn_relu`` (MobileNet, DeepLabv3+), ``bn_leaky`` (LeakyReLU 0.1), ``plain`` (Xception:
    nothing between). Departs from MobileNet: norm and activation behind the pointwise layer are
    left to the host, and no convolution has a bias; the padding follows kernel and dilation.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        kernel_size: k, taps per side of the depthwise convolution, odd.
        dilation: d, pixels from one tap to the next.
        form: ``bn_relu``, ``bn_leaky`` or ``plain``: what stands between.
        expansion: filters per channel, at least 1.
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

    @torch.no_grad()
    def adopt(self, conv: nn.Conv2d) -> None:
        """Start from the weights of ``conv``, 1 x 1 or depthwise: the same outputs.

        Raises:
            AdoptError: another convolution, more filters per channel than ``expansion``, or an
                activation between the two layers.
        """
        if len(self.depthwise) > 1:
            raise AdoptError("an activation stands between the two layers; take form='plain'")
        spatial, point = self.depthwise[0], self.pointwise
        if not isinstance(spatial, nn.Conv2d):
            raise TypeError(f"expected a convolution, but got {type(spatial).__name__}")
        channels, expansion = spatial.in_channels, spatial.out_channels // spatial.in_channels
        check_plain(conv, channels, point.out_channels, spatial.stride[0])
        kernel = DenseKernel.of(conv)
        filters, mixing = kernel.weight.new_ones(channels, 1, 1, 1), kernel.weight[:, :, 0, 0]
        if not kernel.is_pointwise:
            if conv.groups != channels or conv.out_channels > channels * expansion:
                raise AdoptError(
                    f"the module has {expansion} spatial filters per channel, which hold a 1x1 "
                    "convolution, or a depthwise one with as many; keep this convolution"
                )
            filters, mixing = conv.weight, torch.eye(conv.out_channels)
        placed = DenseKernel.depthwise(filters, conv.dilation).placed(
            spatial.kernel_size, spatial.dilation
        )
        # Spatial filters that are left over stay as they are, and are not read yet.
        read = slice(0, len(filters) // channels)
        spatial.weight.unflatten(0, (channels, -1))[:, read] = placed.unflatten(0, (channels, -1))
        point.weight.zero_()
        columns = point.weight[:, :, 0, 0].unflatten(1, (channels, -1))[:, :, read]
        columns.copy_(mixing.unflatten(1, (channels, -1)))

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))
