"""Spatial pyramid pooling: the vector of SPP-net, and the block that keeps the shape."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import ConvBN, hidden_width, one_of
from plugnas.modules._registry import register

_MODES = ("max", "avg")


@register(
    "spp",
    slot="pooling",
    family="multi_scale",
    name="Spatial pyramid pooling",
    year=2014,
    paper="arXiv:1406.4729",
    choices={"levels": ((1, 2), (1, 2, 4), (1, 2, 3, 6)), "mode": _MODES},
    aliases=(
        "SPPLayer",
        "SPPNet",
    ),
    origin="github.com/ShaoqingRen/SPP_net, LicenseRef-SPP-net-noncommercial",
)
class SpatialPyramidPooling(nn.Module):
    """Pools the map to several grids and joins all their bins in one vector.

    Level l pools to l x l bins; bin (i, j) covers rows floor(i H / l) to ceil((i + 1) H / l), and
    columns likewise. (B, C, H, W) -> (B, C sum of l^2), level by level, and channel by channel in
    each.

    Departs from circulating code (pprp/awesome-attention-mechanism-in-cv,
    Plug-and-Play-Module/SPPLayer.py): bins overlap rather than be padded, so that there are always
    l of them, also on maps smaller than l.
    """

    def __init__(
        self, channels: int, *, levels: tuple[int, ...] = (1, 2, 4), mode: str = "max"
    ) -> None:
        super().__init__()
        self.levels = levels
        self.mode = one_of("mode", mode, _MODES)
        self.out_features = channels * sum(level**2 for level in levels)

    def forward(self, x: Tensor) -> Tensor:
        pool = F.adaptive_max_pool2d if self.mode == "max" else F.adaptive_avg_pool2d
        return torch.cat([pool(x, level).flatten(1) for level in self.levels], dim=1)


@register(
    "spp_block",
    slot="context",
    family="multi_scale",
    name="Spatial pyramid pooling block",
    year=2018,
    paper="arXiv:1804.02767",
    choices={"kernel_sizes": ((5, 9, 13), (3, 5, 7))},
    aliases=("SPPF",),
    origin="github.com/pjreddie/darknet, LicenseRef-YOLO",
)
class SpatialPyramidBlock(nn.Module):
    """Stacks maxima over windows of several sizes and projects them back.

    z = act(BN(W1 x)), C -> C // 2; y = act(BN(W2 [z, maxpool_k z for each k])), stride 1 and -inf
    beyond the border; act is a leaky rectifier of slope 0.1. (B, C, H, W) -> the same.
    """

    def __init__(self, channels: int, *, kernel_sizes: tuple[int, ...] = (5, 9, 13)) -> None:
        super().__init__()
        hidden = hidden_width(channels, 2)
        self.kernel_sizes = kernel_sizes
        self.reduce = ConvBN(channels, hidden, activation=nn.LeakyReLU(0.1))
        self.project = ConvBN(
            hidden * (1 + len(kernel_sizes)), channels, activation=nn.LeakyReLU(0.1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.project(torch.cat(window_maxima(self.reduce(x), self.kernel_sizes), dim=1))


def window_maxima(x: Tensor, kernel_sizes: tuple[int, ...]) -> list[Tensor]:
    """Return x and its maxima over windows of odd sizes, stride 1, -inf beyond the border.

    x and each map are (B, C, H, W).
    """
    maps = [x]
    widest = 1
    for k in kernel_sizes:
        # A maximum over k is one over the last window's maxima, and costs less from there.
        source, within = (maps[-1], widest) if k >= widest else (maps[0], 1)
        maps.append(F.max_pool2d(source, k - within + 1, 1, (k - within) // 2))
        widest = k
    return maps
