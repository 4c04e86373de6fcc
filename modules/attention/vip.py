"""Permute-MLP of the Vision Permutator."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import hidden_width, sum_of_products
from plugnas.modules._registry import register


class _AxisMLP(nn.Module):
    """Linear layer over the rows (axis 2) of a map jointly with the channels of each segment."""

    def __init__(self, channels: int, length: int, *, bias: bool) -> None:
        super().__init__()
        self.length = length
        self.segments = math.gcd(channels, length)
        width = length * (channels // self.segments)
        self.mix = nn.Linear(width, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        if height != self.length:
            x = F.interpolate(x, size=(self.length, width), mode="area")
        rows = x.unflatten(1, (self.segments, -1)).permute(0, 1, 4, 3, 2)  # (B, n, W, L, S)
        mixed = self.mix(rows.flatten(3)).unflatten(3, (self.length, -1))
        y = mixed.permute(0, 1, 4, 3, 2).flatten(1, 2)
        if height == self.length:
            return y
        return F.interpolate(y, size=(height, width), mode="bilinear", align_corners=False)


@register(
    "vip",
    slot="attention",
    family="mlp",
    name="Vision Permutator weighted Permute-MLP",
    year=2021,
    paper="arXiv:2106.12368",
    origin="github.com/houqb/VisionPermutator, MIT",
    choices={"segments": (4, 8, 16), "weighted": (True, False)},
    aliases=(
        "VisionPermutator",
        "WeightedPermuteMLP",
    ),
)
class PermuteMLP(nn.Module):
    """Adds linear maps over the channels, over each column and over each row of the map.

    The channels form n segments of S. c = W_c x at each pixel; h = W_h over the L S values that a
    column's rows and a segment's channels make, for every segment and column; w = W_w the same
    with the row's columns. y = W_p(a_1 h + a_2 w + a_3 c), a = softmax over the three of an MLP
    C -> C / 4 -> 3C of the mean of h + w + c; without ``weighted`` all three count 1.
    (B, C, H, W) -> the same. ``segments`` is L, and n wherever it divides the width.

    Departs from circulating code (xmu-xiaoma666/External-Attention-pytorch,
    model/attention/ViP.py), where H = W = n only: for the branch over rows the map is brought to L
    = ``segments`` rows (area means) and back (bilinear), and the same for columns; at H = W = L
    nothing is resampled. n is the largest common divisor of L and the width. No dropout by default,
    also in the weights' MLP.

    Args:
        channels: C, channels of the map.
        segments: L, rows and columns that the map is brought to, and segments of the channels.
        weighted: whether the three branches are weighed by a softmax; else all count 1.
        bias: whether the branches' linear maps have biases.
        dropout: probability with which a value of the result is dropped in training.
    """

    def __init__(
        self,
        channels: int,
        *,
        segments: int = 8,
        weighted: bool = True,
        bias: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.channel = nn.Conv2d(channels, channels, 1, bias=bias)
        self.height = _AxisMLP(channels, segments, bias=bias)
        self.width = _AxisMLP(channels, segments, bias=bias)
        self.weights: nn.Module | None = None
        if weighted:
            hidden = hidden_width(channels, 4)
            self.weights = nn.Sequential(
                nn.Linear(channels, hidden), nn.GELU(), nn.Linear(hidden, 3 * channels)
            )
        self.out = nn.Conv2d(channels, channels, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        width = self.width(x.transpose(2, 3)).transpose(2, 3)
        parts = [self.height(x), width, self.channel(x)]
        if self.weights is None:
            return self.dropout(self.out(parts[0] + parts[1] + parts[2]))
        means = torch.stack([part.mean((2, 3)) for part in parts]).sum(0)
        shares = self.weights(means).unflatten(1, (-1, 3)).softmax(2)[..., None, None]
        return self.dropout(self.out(sum_of_products(shares.unbind(2), parts)))
