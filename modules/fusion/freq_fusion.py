"""Frequency-aware feature fusion."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import (
    GroupNorm,
    common_divisor,
    conv2d,
    resize_like,
    sum_of_products,
    window_taps,
)
from plugnas.modules._registry import register
from plugnas.modules.operator._sampling import centres, coordinates, sample
from plugnas.modules.upsampling.carafe import reassemble


@register(
    "freq_fusion",
    slot="fusion",
    family="frequency",
    name="Frequency-aware feature fusion (FreqFusion)",
    year=2024,
    paper="arXiv:2408.12879",
    choices={"compressed_channels": (16, 64), "resample": (False, True)},
    aliases=("FreqFusion", "FrequencyAwareFeatureFusion"),
    origin="github.com/Linwei-Chen/FreqFusion, NOASSERTION",
)
class FrequencyFusion(nn.Module):
    """Smooths a coarse map while it grows, sharpens a fine one, and adds them.

    k * x is the sum over windows with a kernel for each pixel; N(e) = softmax over the taps of e,
    times a Hamming window, scaled to sum 1; k * y reads, for each pixel of x, the window of y
    around the (nearest) pixel it lies in. From u = 1x1(x), v = 1x1(y), m channels, and 3 x 3
    convolutions E_l (25 taps) and E_h (9 taps):

        u <- 2 u - N(E_h u) * u
        l = E_l u + N(E_l u) * E_l v
        h = E_h u_old + N(l) * E_h v
        out = shift(N(l) * y) + 2 x - N(h) * x

    ``resample``: shift reads its map at points moved by (o(p) + o'(q)) sigmoid(s(p) + s'(q)) pixels
    of y, own ones for each of 4 groups of channels; p and q are u and v after group norm, joined
    with the cosine similarity to their 8 neighbours at distance 2; o, o', s, s' are 3 x 3
    convolutions. x (B, C, H, W), y (B, C, h, w) -> (B, C, H, W), for any coarser or equal y.

    Departs from the authors' code: o' and s' give one offset per pixel of y, repeated (nearest),
    and not four, so that H / h need not be 2; and borders are zero, as in CARAFE.
    """

    def __init__(
        self, channels: int, *, compressed_channels: int = 64, resample: bool = True
    ) -> None:
        super().__init__()
        self.fine = conv2d(channels, compressed_channels, bias=True)
        self.coarse = conv2d(channels, compressed_channels, bias=True)
        self.low = _KernelMaker(compressed_channels, 5)
        self.high = _KernelMaker(compressed_channels, 3)
        self.shift = None
        if resample:
            self.shift = _Resampler(compressed_channels, common_divisor(4, channels))
        for layer in (self.fine, self.coarse):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        fine, coarse = self.fine(x), self.coarse(y)
        high = self.high(fine)
        fine = 2 * fine - _sum_windows(fine, self.high.kernels(high))
        low = self.low(fine)
        low = low + _sum_windows(self.low(coarse), self.low.kernels(low))
        kernels = self.low.kernels(low)
        high = high + _sum_windows(self.high(coarse), kernels)
        smooth = _sum_windows(y, kernels)
        if self.shift is not None:
            smooth = self.shift(smooth, fine, coarse)
        return smooth + 2 * x - _sum_windows(x, self.high.kernels(high))


def _sum_windows(y: Tensor, kernels: Tensor) -> Tensor:
    """Sum windows of y with a kernel for each pixel of a map of the same or a larger size.

    y (B, C, h, w), zeros beyond the border, and kernels (B, k^2, H, W), taps row by row ->
    (B, C, H, W); a pixel reads the window around the pixel of y in which it lies.
    """
    taps, (height, width) = kernels.shape[1], y.shape[-2:]
    scale = kernels.shape[-2] // height
    if kernels.shape[-2:] == (scale * height, scale * width):
        blocks = F.pixel_unshuffle(kernels, scale).unflatten(1, (taps, -1))
        return reassemble(y, blocks, scale)
    k = math.isqrt(taps)
    windows = window_taps(F.pad(y, [k // 2] * 4), k)
    resized = (resize_like(window, kernels, mode="nearest") for window in windows)
    return sum_of_products(resized, kernels.split(1, dim=1))


class _KernelMaker(nn.Module):
    """A 3 x 3 convolution to the logits of k x k kernels, and what makes kernels of logits."""

    log_window: Tensor

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__()
        self.encode = conv2d(channels, kernel_size**2, 3, bias=True)
        nn.init.normal_(self.encode.weight, std=0.001)
        nn.init.zeros_(self.encode.bias)  # type: ignore[arg-type]
        steps = [2 * math.pi * i / (kernel_size - 1) for i in range(kernel_size)]
        line = [math.log(0.54 - 0.46 * math.cos(step)) for step in steps]
        window = torch.tensor([a + b for a in line for b in line])
        self.register_buffer("log_window", window[:, None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.encode(x)

    def kernels(self, logits: Tensor) -> Tensor:
        """Softmax, times a Hamming window, scaled to sum 1: one softmax of shifted logits."""
        return (logits + self.log_window).softmax(1)


class _Resampler(nn.Module):
    """Reads a fine map at points that move towards similar neighbours."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.fine = _Mover(channels, groups)
        self.coarse = _Mover(channels, groups)

    def forward(self, x: Tensor, fine: Tensor, coarse: Tensor) -> Tensor:
        offset, scale = self.fine(fine)
        others = (resize_like(each, x, mode="nearest") for each in self.coarse(coarse))
        offset, scale = (a + b for a, b in zip((offset, scale), others, strict=True))
        moves = coordinates(offset) * coordinates(scale).sigmoid()
        columns, rows = moves.unflatten(1, (2, self.groups, 1)).flatten(1, 2).chunk(2, dim=1)
        down, right = centres(moves, 1)
        ratio = [a / b for a, b in zip(x.shape[-2:], coarse.shape[-2:], strict=True)]
        y = sample(
            x.unflatten(1, (self.groups, -1)).flatten(0, 1),
            (down + ratio[0] * rows).flatten(0, 1), (right + ratio[1] * columns).flatten(0, 1),
            padding="border",
        )  # fmt: skip
        return y.squeeze(2).unflatten(0, (-1, self.groups)).flatten(1, 2)


class _Mover(nn.Module):
    """Offsets (columns of every group, then rows) and the logits of their scales, from one map."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.norm = GroupNorm(common_divisor(max(1, channels // 8), channels), channels)
        self.offset = conv2d(channels + 8, 2 * groups, 3, bias=True)
        self.scale = conv2d(channels + 8, 2 * groups, 3, bias=True)
        nn.init.normal_(self.offset.weight, std=0.001)
        nn.init.zeros_(self.scale.weight)
        for layer in (self.offset, self.scale):
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.norm(x)
        x = torch.cat([x, *_likenesses(x)], dim=1)
        return self.offset(x), self.scale(x)


def _likenesses(x: Tensor) -> list[Tensor]:
    """Cosines of each pixel with its 8 neighbours at distance 2, each (B, 1, H, W)."""
    unit = F.normalize(x, dim=1, eps=1e-6)
    taps = window_taps(F.pad(unit, [2] * 4), 3, dilation=2)
    return [(unit * tap).sum(1, keepdim=True) for i, tap in enumerate(taps) if i != 4]
