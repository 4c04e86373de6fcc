"""The pyramid pooling module of PSPNet."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import ConvBN, hidden_width, resize_like
from plugnas.modules._registry import register


@register(
    "psp",
    slot="context",
    family="multi_scale",
    name="PSPNet pyramid pooling module",
    year=2016,
    paper="arXiv:1612.01105",
    choices={"bins": ((1, 2, 3, 6), (1, 2, 4, 8), (1, 3))},
    aliases=(
        "PSPNet",
        "PSPModule",
        "PPM",
        "PyramidPoolingModule",
    ),
    origin="github.com/hszhao/semseg, MIT",
)
class PSP(nn.Module):
    """Averages a map over coarse grids of several sizes and merges the results with the map.

    For each n of ``bins``: average pool to n x n, 1x1 convolution to C // len(bins), bilinear
    resampling to the map. They and x are concatenated and go through a 3x3 convolution to C. Each
    convolution is without bias and has batch norm and ReLU. (B, C, H, W) -> the same.

    Departs from circulating code (pprp/awesome-attention-mechanism-in-cv,
    Plug-and-Play-Module/PSPModule.py): the reduced, normalised branches of the paper. Departs from
    the authors' code (model/pspnet.py): corners are not aligned; the branch of one bin trains at
    batch 1 (with its running statistics).
    """

    def __init__(self, channels: int, *, bins: tuple[int, ...] = (1, 2, 3, 6)) -> None:
        super().__init__()
        width = hidden_width(channels, len(bins))
        self.bins = bins
        self.branches = nn.ModuleList(ConvBN(channels, width, activation=nn.ReLU()) for _ in bins)
        self.project = ConvBN(channels + len(bins) * width, channels, 3, activation=nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        maps = [x]
        for n, branch in zip(self.bins, self.branches, strict=True):
            maps.append(resize_like(branch(F.adaptive_avg_pool2d(x, (n, n))), x))
        return self.project(torch.cat(maps, dim=1))
