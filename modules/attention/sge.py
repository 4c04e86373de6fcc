"""Spatial group-wise enhancement."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._parts import common_divisor
from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site

_GROUPS = (8, 16, 32, 64)


def _same(site: Site, setting: Setting) -> dict[str, int]:
    """The smallest limit that gives as many groups at this width."""
    groups = common_divisor(setting["groups"], site.channels)
    return {"groups": next(g for g in _GROUPS if common_divisor(g, site.channels) == groups)}


@register(
    "sge",
    slot="attention",
    family="spatial",
    name="Spatial group-wise enhancement",
    year=2019,
    paper="arXiv:1905.09646",
    choices={"groups": _GROUPS},
    same=_same,
    aliases=("SpatialGroupEnhance",),
    origin="github.com/implus/PytorchInsight, NOASSERTION",
)
class SpatialGroupEnhancement(nn.Module):
    """Gates, in each group of channels, the pixels by their likeness to the group's mean vector.

    Of a group with vectors x_p (C / groups values) at the pixels p: g = mean of x_p;
    c_p = g . x_p; n_p = (c_p - mean c) / sqrt(var c + eps) over the pixels;
    y_p = x_p sigmoid(gamma n_p + beta), with one gamma (from 0) and one beta (from 1) per group.
    (B, C, H, W) -> the same.

    Departs from the paper: eps stands under the root, so that a map of equal values has a finite
    gradient. Departs from the authors' code: variance over n pixels as in the paper, where theirs
    takes n - 1 (NaN on one pixel); ``groups`` is a limit, of which the largest divisor of the
    width is taken.
    """

    def __init__(self, channels: int, *, groups: int = 64, eps: float = 1e-5) -> None:
        super().__init__()
        self.groups, self.eps = common_divisor(groups, channels), eps
        self.weight = nn.Parameter(torch.zeros(self.groups))
        self.bias = nn.Parameter(torch.ones(self.groups))

    def forward(self, x: Tensor) -> Tensor:
        pixels = x.flatten(2).unflatten(1, (self.groups, -1))  # (B, G, C / G, N)
        likeness = torch.matmul(pixels.mean(3).unsqueeze(2), pixels).squeeze(2)  # (B, G, N)
        gate = torch.group_norm(likeness, self.groups, self.weight, self.bias, self.eps).sigmoid()
        return (pixels * gate.unsqueeze(2)).view(x.shape)
