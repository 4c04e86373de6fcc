"""Strip pooling: the gate (SPM) and the mixed pooling block (MPM) of SPNet."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import ConvBN, conv2d, hidden_width, one_of, resize_like
from plugnas.modules._registry import register

_FORMS = ("spm", "mpm")


@register(
    "strip_pooling",
    slot="context",
    family="spatial",
    name="Strip pooling",
    year=2020,
    paper="arXiv:2003.13328",
    choices={"form": _FORMS, "pool_sizes": ((20, 12), (12, 6), (6, 3))},
    only_with={"pool_sizes": ("form", ("mpm",))},
    same={
        "pool_sizes": lambda site, s: tuple(
            (min(n, site.height), min(n, site.width)) for n in s["pool_sizes"]
        )
    },
    aliases=(
        "SPNet",
        "SPHead",
        "MPM",
    ),
    origin="github.com/houqb/SPNet, MIT",
)
class StripPooling(nn.Module):
    """Gathers context along whole rows and columns, alone (spm) or with square pooling too (mpm).

    spm: v = BN(3x1 convolution of the row means), u = BN(1x3 convolution of the column means);
    y = x * sigmoid(1x1 convolution of relu(v + u)), v and u spread over the map.

    mpm: two 1x1 projections p, q to C // 4. From p: relu of the sum of a 3x3 convolution and 3x3
    convolutions of average pools to n x n (n of ``pool_sizes``), resampled bilinearly. From q:
    relu of the sum of the two strips as above. Each passes one more 3x3 convolution with ReLU;
    y = relu(x + 1x1 convolution of their concatenation). All convolutions with batch norm, without
    bias. (B, C, H, W) -> the same; ``pool_sizes`` matters to mpm only.

    Departs from the authors' code (models/spnet.py): n never exceeds the map's side; resampling
    leaves corners unaligned.
    """

    def __init__(
        self, channels: int, *, form: str = "mpm", pool_sizes: tuple[int, ...] = (20, 12)
    ) -> None:
        super().__init__()
        one_of("form", form, _FORMS)
        self.body = _StripGate(channels) if form == "spm" else _MixedPool(channels, pool_sizes)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class _Strips(nn.Module):
    """Row means through a 3x1 and column means through a 1x3 convolution, added, then ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.along_height = ConvBN(channels, channels, (3, 1))
        self.along_width = ConvBN(channels, channels, (1, 3))

    def forward(self, x: Tensor) -> Tensor:
        rows = self.along_height(x.mean(3, keepdim=True))  # (B, C, H, 1)
        columns = self.along_width(x.mean(2, keepdim=True))  # (B, C, 1, W)
        return F.relu(rows + columns)


class _StripGate(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.strips = _Strips(channels)
        self.gate = conv2d(channels, channels, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(self.strips(x)).sigmoid()


class _MixedPool(nn.Module):
    def __init__(self, channels: int, pool_sizes: tuple[int, ...]) -> None:
        super().__init__()
        hidden = hidden_width(channels, 4)
        self.pool_sizes = pool_sizes
        self.to_squares = ConvBN(channels, hidden, activation=nn.ReLU())
        self.to_strips = ConvBN(channels, hidden, activation=nn.ReLU())
        self.local = ConvBN(hidden, hidden, 3)
        self.pooled = nn.ModuleList(ConvBN(hidden, hidden, 3) for _ in pool_sizes)
        self.strips = _Strips(hidden)
        self.merge_squares = ConvBN(hidden, hidden, 3, activation=nn.ReLU())
        self.merge_strips = ConvBN(hidden, hidden, 3, activation=nn.ReLU())
        self.project = ConvBN(2 * hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        p = self.to_squares(x)
        squares = self.local(p)
        for n, conv in zip(self.pool_sizes, self.pooled, strict=True):
            side = (min(n, p.shape[2]), min(n, p.shape[3]))
            squares = squares + resize_like(conv(F.adaptive_avg_pool2d(p, side)), p)
        squares = self.merge_squares(F.relu(squares))
        strips = self.merge_strips(self.strips(self.to_strips(x)))
        return F.relu(x + self.project(torch.cat([squares, strips], dim=1)))
