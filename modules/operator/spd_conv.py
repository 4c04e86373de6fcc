"""Space to depth, then a convolution without stride."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import conv2d, pad_to_multiple
from plugnas.modules._registry import register


@register(
    "spd_conv",
    slot="operator",
    family="downsampling",
    name="SPD-Conv (space to depth, then convolution)",
    year=2022,
    paper="arXiv:2208.03641",
    choices={"kernel_size": (1, 3)},
    aliases=("SPDConv", "SPD", "space_to_depth"),
    origin="github.com/LabSAINT/SPD-Conv, MIT",
)
class SPDConv(nn.Module):
    """Moves the s x s pixels of each cell into channels, so that a stride skips none of them.

    u[c s^2 + s p + q, i, j] = x[c, s i + p, s j + q]; y = conv k x k(u; s^2 Cin -> Cout) with
    stride 1, without bias; at stride 1 u = x. (B, Cin, H, W) -> (B, Cout, ceil(H / s),
    ceil(W / s)): sides that s does not divide are padded with zeros.

    The authors' code orders the channels of u by place first, ours by channel first: a permutation
    of the kernel's channels.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, stride: int = 1, kernel_size: int = 3
    ) -> None:
        super().__init__()
        self.stride = stride
        self.conv = conv2d(in_channels * stride**2, out_channels, kernel_size)

    def forward(self, x: Tensor) -> Tensor:
        if self.stride > 1:
            x = F.pixel_unshuffle(pad_to_multiple(x, self.stride), self.stride)
        return self.conv(x)
