"""Receptive-field attention convolution."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import ConvBN, conv2d
from plugnas.modules._registry import register


@register(
    "rfa_conv",
    slot="operator",
    family="dynamic",
    name="RFAConv: receptive-field attention convolution",
    year=2023,
    paper="arXiv:2304.03198",
    choices={"kernel_size": (3, 5)},
    aliases=("RFAConv", "ReceptiveFieldAttentionConv"),
    origin="github.com/Liuchen1997/RFAConv, NOASSERTION",
)
class ReceptiveFieldAttentionConvolution(nn.Module):
    """Convolution whose taps are weighted by attention within every window of every channel.

    f = relu(BN(depthwise k x k(x; Cin -> k^2 Cin), stride s)) spreads each window over k^2 values;
    a = softmax over these k^2 of a depthwise 1x1 convolution of the window's mean (zeros beyond the
    border count); y = sum over channels and taps of W a f, which is the authors' k x k convolution
    of stride k on the unfolded map. (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)).

    The authors' code ends with a norm and ReLU; these are left to the host.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        kernel_size: k, taps per side, odd.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, stride: int = 1, kernel_size: int = 3
    ) -> None:
        super().__init__()
        self.stride, self.kernel_size = stride, kernel_size
        width = in_channels * kernel_size**2
        self.spread = ConvBN(
            in_channels, width, kernel_size, stride=stride, groups=in_channels, activation=nn.ReLU()
        )
        self.logits = conv2d(in_channels, width, groups=in_channels)
        self.project = conv2d(width, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        k = self.kernel_size
        means = F.avg_pool2d(x, k, self.stride, k // 2)
        shares = self.logits(means).unflatten(1, (-1, k * k)).softmax(2)
        return self.project(self.spread(x) * shares.flatten(1, 2))
