"""Spatially separable convolution."""

from __future__ import annotations

from torch import Tensor, nn

from plugnas.modules._parts import ConvBN, conv2d
from plugnas.modules._registry import register


@register(
    "spatially_separable",
    slot="operator",
    family="factorised",
    name="Spatially separable convolution",
    year=2015,
    paper="arXiv:1512.00567",
    choices={"kernel_size": (3, 5, 7, 9, 11), "activation_between": (False, True)},
)
class SpatiallySeparable(nn.Module):
    """Convolves down the columns with k x 1, then along the rows with 1 x k.

    y = B (A x), A: Cin -> Cout of k x 1 with stride (s, 1), B: Cout -> Cout of 1 x k with stride
    (1, s), or B relu(BN(A x)) with activation_between. Without it the pair is one k x k
    convolution of limited rank. (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        kernel_size: int = 3,
        activation_between: bool = False,
    ) -> None:
        super().__init__()
        k = kernel_size
        self.column: nn.Module
        if activation_between:
            self.column = ConvBN(
                in_channels, out_channels, (k, 1), stride=(stride, 1), activation=nn.ReLU()
            )
        else:
            self.column = conv2d(in_channels, out_channels, (k, 1), stride=(stride, 1))
        self.row = conv2d(out_channels, out_channels, (1, k), stride=(1, stride))

    def forward(self, x: Tensor) -> Tensor:
        return self.row(self.column(x))
