"""Transposed convolution."""

from __future__ import annotations

from torch import Tensor, nn

from plugnas.modules._parts import BatchNorm2d, conv2d, hidden_width
from plugnas.modules._registry import register


@register(
    "transposed_conv",
    slot="operator",
    family="upsample",
    name="Transposed convolution (upsampling), used as an operator followed by stride",
    year=2010,
    paper=None,
    choices={"kernel_size": (2, 4), "reduction": (2, 4)},
    aliases=(
        "ConvTranspose2d",
        "Deconv",
        "Deconvolution",
    ),
    no_origin="a layer of every library, not of one paper",
)
class TransposedConvolution(nn.Module):
    """Doubles the map by a transposed convolution, then filters it with a stride that halves it.

    u = relu(BN(transposed conv k x k(x; Cin -> m), stride 2)), (B, m, 2 H, 2 W), m = max(1, Cout //
    reduction); y = conv 3 x 3(u; m -> Cout), stride 2 s. Each input pixel adds x[i, p] W[i, o, t]
    to output 2 p + t - (k - 2) / 2; k is a multiple of the stride, which avoids checkerboard
    patterns. The map in the middle is four times as large: keep m small.
    (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)).

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        kernel_size: k, taps per side of the transposed convolution, even.
        reduction: m = Cout // reduction, at least 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        kernel_size: int = 4,
        reduction: int = 4,
    ) -> None:
        super().__init__()
        hidden = hidden_width(out_channels, reduction)
        self.up = nn.Sequential(
            nn.ConvTranspose2d(
                in_channels, hidden, kernel_size, 2, (kernel_size - 2) // 2, bias=False
            ),
            BatchNorm2d(hidden),
            nn.ReLU(),
        )
        self.conv = conv2d(hidden, out_channels, 3, stride=2 * stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.up(x))
