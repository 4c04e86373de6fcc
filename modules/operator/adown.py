"""Downsampling of YOLOv9 and YOLOv10."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import ConvBN
from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site
from plugnas.modules.errors import RefusedError


def _refuses(site: Site, setting: Setting) -> str | None:
    if min(site.channels, site.width_out) < 2:
        return "both halves need a channel: at least 2 channels in and out"
    return None


@register(
    "adown",
    slot="operator",
    family="downsampling",
    name="YOLOv9 downsampling (ADown)",
    year=2024,
    paper="arXiv:2402.13616",
    choices={"kernel_size": (3, 5)},
    refuses=_refuses,
    origin="github.com/WongKinYiu/yolov9, GPL-3.0-only",
)
class ADown(nn.Module):
    """Downsamples one half of the channels by a convolution and the other half by a maximum.

    u = mean of x over s x s windows at stride 1; a, b = the halves of u's channels; y = [A(a),
    B(max 3 x 3(b))], where A is a k x k convolution and the maximum has k x k places, both with
    stride s, B is pointwise, and both A and B go on with batch norm and SiLU. At stride 1 the mean
    drops out. (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)).

    Departs from the authors' code: odd sides get their last row or column twice, so that the output
    is ceil(H / s) and not floor; of an odd width the second half takes the larger part.

    Args:
        in_channels: Cin, channels of the input, at least 2.
        out_channels: Cout, channels of the output, at least 2.
        stride: s, at least 1, along both axes.
        kernel_size: k, places per side of A and of the maximum, odd.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, stride: int = 1, kernel_size: int = 3
    ) -> None:
        super().__init__()
        if min(in_channels, out_channels) < 2:
            raise RefusedError("both halves need a channel: at least 2 channels in and out")
        self.stride = stride
        self.width = in_channels // 2
        half = out_channels // 2
        self.filter = ConvBN(self.width, half, kernel_size, stride=stride, activation=nn.SiLU())
        self.maximum = nn.MaxPool2d(kernel_size, stride, padding=kernel_size // 2)
        self.mix = ConvBN(in_channels - self.width, out_channels - half, activation=nn.SiLU())

    def forward(self, x: Tensor) -> Tensor:
        if self.stride > 1:
            height, width = x.shape[-2:]
            spare = (0, -width % self.stride, 0, -height % self.stride)
            x = F.avg_pool2d(F.pad(x, spare, mode="replicate"), self.stride, 1)
        first, second = x.tensor_split([self.width], dim=1)
        return torch.cat([self.filter(first), self.mix(self.maximum(second))], dim=1)
