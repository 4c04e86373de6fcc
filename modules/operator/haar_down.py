"""Haar wavelet downsampling."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._fuse import can_fold, fold
from plugnas.modules._parts import ConvBN, window_taps
from plugnas.modules._registry import register

# The signs with which each band adds the four values of a 2 x 2 window, row by row.
_BANDS = ((1, 1, 1, 1), (1, -1, 1, -1), (1, 1, -1, -1), (1, -1, -1, 1))


@register(
    "haar_down",
    slot="operator",
    family="downsample",
    name="Haar wavelet downsampling (HWD)",
    year=2023,
    paper="Pattern Recognition 2023 (Xu et al.)",
    aliases=("HWD", "HaarDownsampling", "Down_wt"),
    origin="github.com/apple1986/HWD, NOASSERTION",
)
class HaarDownsampling(nn.Module):
    """Turns each 2 x 2 window into its four Haar coefficients, losing nothing, and mixes them.

    Of a window with rows (a, b) and (c, d): LL = (a + b + c + d) / 2, HL = (a - b + c - d) / 2,
    LH = (a + b - c - d) / 2, HH = (a - b - c + d) / 2; y = relu(BN(1x1([LL, HL, LH, HH]; 4 Cin ->
    Cout))). Windows start at every s-th place, with zeros beyond the bottom and the right border:
    s = 2 is the paper's orthogonal transform, s = 1 the same without decimation. (B, Cin, H, W) ->
    (B, Cout, ceil(H / s), ceil(W / s)). The deploy form is a 2 x 2 convolution.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.project = ConvBN(4 * in_channels, out_channels, activation=nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        a, b, c, d = window_taps(_padded(x / 2, self.stride), 2, stride=self.stride)
        top, bottom = a + b, c + d
        rise, fall = a - b, c - d
        return self.project(torch.cat([top + bottom, rise + fall, top - bottom, rise - fall], 1))

    @torch.no_grad()
    def fuse(self) -> nn.Module:
        """Return padding, one 2 x 2 convolution and ReLU; itself, if the norm cannot fold."""
        conv, norm, activation = self.project
        if can_fold(conv, norm):
            conv = fold(conv, norm)
        if conv.bias is None:
            return self
        bands = conv.weight.unflatten(1, (4, -1))[..., 0, 0]  # type: ignore[operator]  # (Cout, 4, Cin)
        signs = torch.tensor(_BANDS).to(bands) / 2
        kernel = torch.einsum("obc,bt->oct", bands, signs).unflatten(2, (2, 2))
        window = nn.Conv2d(kernel.shape[1], kernel.shape[0], 2, self.stride).to(kernel)
        window.weight, window.bias = nn.Parameter(kernel), conv.bias  # type: ignore[assignment]
        return nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), window, activation)


def _padded(x: Tensor, stride: int) -> Tensor:
    """Zeros at the bottom and right where the last 2 x 2 window reaches beyond the map."""
    rows, columns = (max(0, stride * ((n - 1) // stride) + 2 - n) for n in x.shape[-2:])
    return F.pad(x, (0, columns, 0, rows)) if rows or columns else x
