"""Split attention of ResNeSt."""

from __future__ import annotations

import math

from torch import Tensor, nn

from plugnas.modules._parts import ConvBN, common_divisor, sum_of_products
from plugnas.modules._registry import register


@register(
    "split_attention",
    slot="operator",
    family="dynamic",
    name="ResNeSt split attention convolution",
    year=2020,
    paper="arXiv:2004.08955",
    choices={"radix": (1, 2, 4), "groups": (1, 2, 4), "kernel_size": (3, 5)},
    aliases=(
        "ResNeSt",
        "SplitAttn",
        "SplAtConv2d",
    ),
    origin="github.com/zhanghang1989/ResNeSt, Apache-2.0",
)
class SplitAttention(nn.Module):
    """Convolves into R sets of features and mixes them by weights from their global means.

    U = relu(BN(conv k x k(x; Cin -> R Cout, K R groups))), seen as R sets of Cout; s = mean over H,
    W of sum_r U_r; a = fc2(relu(BN(fc1(s)))), 1x1 layers in K groups, softmax over r (sigmoid for
    R = 1); y = sum_r a_r U_r. K = ``groups`` (cardinality), R = ``radix``. The hidden width is
    max(32, R Cin / reduction), rounded to a multiple of 8 and up to one of K.
    (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)).

    Departs from circulating code (pprp/awesome-attention-mechanism-in-cv,
    AttentionModule/ResNeSt/SplitAttention.py): the padding follows the dilation and both norms are
    there. K falls to a divisor of Cout; the convolution takes as many of its K R groups as divide
    Cin.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        radix: R, sets of features, at least 1.
        groups: K, a limit: the largest divisor of Cout is taken.
        kernel_size: k, taps per side, odd.
        reduction: by which the hidden layer is narrower than R Cin.
        dilation: d, pixels from one tap to the next.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        radix: int = 2,
        groups: int = 1,
        kernel_size: int = 3,
        reduction: int = 4,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        self.radix = radix
        self.groups = groups = common_divisor(groups, out_channels)
        width = out_channels * radix
        hidden = max(32, (in_channels * radix // reduction + 4) // 8 * 8)
        hidden = groups * math.ceil(hidden / groups)
        self.features = ConvBN(
            in_channels,
            width,
            kernel_size,
            stride=stride,
            dilation=dilation,
            groups=math.gcd(groups * radix, in_channels),
            activation=nn.ReLU(),
        )
        self.fc1 = ConvBN(out_channels, hidden, groups=groups, activation=nn.ReLU())
        self.fc2 = nn.Conv2d(hidden, width, 1, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        features = self.features(x).unflatten(1, (self.radix, -1))  # (B, R, C, H', W')
        means = features.mean((3, 4), keepdim=True).sum(1)
        logits = self.fc2(self.fc1(means)).flatten(1)
        logits = logits.unflatten(1, (self.groups, self.radix, -1)).transpose(1, 2).flatten(2)
        weights = logits.softmax(1) if self.radix > 1 else logits.sigmoid()  # (B, R, C)
        weights = weights[..., None, None].to(features.dtype)
        return sum_of_products(weights.unbind(1), features.unbind(1))
