"""Octave convolution."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import conv2d
from plugnas.modules._registry import register


def _halve(x: Tensor, stride: int = 2) -> Tensor:
    """Mean of each stride x stride cell; cells at the border may be smaller."""
    return x if stride == 1 else F.avg_pool2d(x, stride, ceil_mode=True)


def _low_width(channels: int, alpha: float) -> int:
    """Channels of low frequency: at least one on each side, none where there is only one."""
    return min(channels - 1, max(1, round(alpha * channels)))


class OctaveExchange(nn.Module):
    """Convolves a map and one of half its resolution, each output seeing both.

    Y_H = W_HH X_H + up(W_LH X_L); Y_L = W_LL X_L + W_HL halve(X_H). With stride 2, as in the
    authors' code, X_H is halved first and X_L, which has Y_H's size already, is not:
    Y_H = W_HH halve(X_H) + W_LH X_L; Y_L = W_LL halve(X_L) + W_HL halve(halve(X_H)).

    high (B, C_H, H, W) and low (B, C_L, ceil(H/2), ceil(W/2)) -> the same with their new widths and
    ceil of size / stride. A low width of 0 leaves that map out (None): first and last layers of an
    octave network.

    Args:
        in_widths: (C_H, C_L) of what enters.
        out_widths: (C_H, C_L) of what leaves.
        stride: s, at least 1, along both axes.
        kernel_size: k, taps per side, odd.
    """

    def __init__(
        self,
        in_widths: tuple[int, int],
        out_widths: tuple[int, int],
        *,
        stride: int = 1,
        kernel_size: int = 3,
    ) -> None:
        super().__init__()
        self.stride = stride

        def path(start: int, end: int) -> nn.Module | None:
            return conv2d(start, end, kernel_size) if start and end else None

        (high, low), (high_out, low_out) = in_widths, out_widths
        self.high_high = conv2d(high, high_out, kernel_size)
        self.high_low = path(high, low_out)
        self.low_high = path(low, high_out)
        self.low_low = path(low, low_out)

    def forward(self, high: Tensor, low: Tensor | None) -> tuple[Tensor, Tensor | None]:
        high = _halve(high, self.stride)
        above = self.high_high(high)
        below = None if self.high_low is None else self.high_low(_halve(high))
        if self.low_high is not None and low is not None:
            above = above + self._lifted(low, high)
        if below is not None and self.low_low is not None and low is not None:
            below = below + self.low_low(_halve(low, self.stride))
        return above, below

    def _lifted(self, low: Tensor, high: Tensor) -> Tensor:
        """What the low map adds to the high output, at that output's size."""
        if self.low_high is None:
            raise ValueError("no path leads from the low map to the high one")
        if self.stride % 2 == 0:
            return self.low_high(_halve(low, self.stride // 2))
        return _double(self.low_high(_halve(low, self.stride)), high)


def _double(x: Tensor, reference: Tensor) -> Tensor:
    """Repeat each value over 2 x 2 and crop to the size of reference: ``_halve`` undone."""
    height, width = reference.shape[-2:]
    return F.interpolate(x, scale_factor=2.0, mode="nearest")[..., :height, :width]


@register(
    "octave_conv",
    slot="operator",
    family="multi_scale",
    name="Octave convolution",
    year=2019,
    paper="arXiv:1904.05049",
    choices={"alpha": (0.125, 0.25, 0.5, 0.75), "kernel_size": (3, 5)},
    aliases=(
        "OctConv",
        "OctaveConvolution",
    ),
    origin="github.com/facebookresearch/OctConv, MIT",
)
class OctaveConv(nn.Module):
    """Keeps a share of the channels at half resolution while it convolves.

    x = [x_H, x_L], of which x_L has round(alpha C) channels; X_H = x_H, X_L = halve(x_L);
    Y_H = W_HH X_H + up(W_LH X_L), Y_L = W_LL X_L + W_HL halve(X_H) (``OctaveExchange``, which also
    says what a stride does); y = [Y_H, up(Y_L)]. halve is the 2 x 2 mean, up repeats each value.
    (B, Cin, H, W) -> (B, Cout, ceil(H / s), ceil(W / s)).

    Departs from circulating code (d-li14/octconv.pytorch, octconv.py): odd sizes (border cells of
    the averages are smaller, and doubled maps are cropped); a single channel has no low part.

    Args:
        in_channels: Cin, channels of the input.
        out_channels: Cout, channels of the output.
        stride: s, at least 1, along both axes.
        alpha: share of the channels at half resolution, between 0 and 1.
        kernel_size: k, taps per side, odd.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        alpha: float = 0.5,
        kernel_size: int = 3,
    ) -> None:
        super().__init__()
        low, low_out = _low_width(in_channels, alpha), _low_width(out_channels, alpha)
        self.widths = (in_channels - low, low)
        self.exchange = OctaveExchange(
            self.widths,
            (out_channels - low_out, low_out),
            stride=stride,
            kernel_size=kernel_size,
        )

    def forward(self, x: Tensor) -> Tensor:
        high, low = x.split(self.widths, dim=1)
        above, below = self.exchange(high, _halve(low) if self.widths[1] else None)
        return above if below is None else torch.cat([above, _double(below, above)], dim=1)
