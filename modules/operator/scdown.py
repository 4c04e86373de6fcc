"""Downsampling of YOLOv10: channels first, then space."""

from __future__ import annotations

from torch import Tensor, nn

from plugnas.modules._parts import ConvBN
from plugnas.modules._registry import register


@register(
    "scdown",
    slot="operator",
    family="downsampling",
    name="YOLOv10 spatial-channel decoupled downsampling (SCDown)",
    year=2024,
    paper="arXiv:2405.14458",
    choices={"kernel_size": (3, 5, 7)},
    origin="github.com/THU-MIG/yolov10, AGPL-3.0-only",
)
class SCDown(nn.Module):
    """Changes the channels at every pixel, then the size of each channel on its own.

    y = BN(depthwise k x k(silu(BN(W x)), stride s)), W: Cin -> Cout pointwise; no activation at the
    end. (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)).

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
        self.channel = ConvBN(in_channels, out_channels, activation=nn.SiLU())
        self.space = ConvBN(
            out_channels, out_channels, kernel_size, stride=stride, groups=out_channels
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.space(self.channel(x))
