"""Atrous spatial pyramid pooling of DeepLabv3 and, with separable convolutions, of DeepLabv3+."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._parts import BatchNorm2d, ConvBN, conv2d, hidden_width
from plugnas.modules._registry import register
from plugnas.modules._same import reach


@register(
    "aspp",
    slot="context",
    family="multi_scale",
    name="DeepLabv3 atrous spatial pyramid pooling",
    year=2017,
    paper="arXiv:1706.05587",
    choices={
        "dilations": ((1, 2, 3), (3, 6, 9), (6, 12, 18), (12, 24, 36)),
        "reduction": (1, 4),
        "separable": (False, True),
    },
    same={"dilations": lambda site, s: tuple(reach(site, d) for d in s["dilations"])},
    aliases=(
        "DeepLab",
        "DeepLabv3",
    ),
    origin="github.com/tensorflow/models, Apache-2.0",
)
class ASPP(nn.Module):
    """Looks at a map through parallel dilated convolutions and its global mean, then merges.

    Branches: 1x1 convolution; a 3x3 convolution per dilation; global mean -> 1x1 convolution,
    spread over the map. Each is bias-free with batch norm and ReLU and C // reduction wide. Their
    concatenation goes through 1x1 convolution to C, batch norm, ReLU and dropout.
    (B, C, H, W) -> the same. ``separable``: a depthwise 3x3, then a pointwise convolution.

    Departs from circulating code (jfzhang95/pytorch-deeplab-xception, modeling/aspp.py): any number
    of dilations, widths tied to C instead of 256, and the pooled branch trains at batch 1 (batch
    norm then uses its running statistics).

    Args:
        channels: C, channels of the map.
        dilations: pixels between the taps of each 3x3 branch.
        reduction: a branch has C // reduction channels, at least 1.
        separable: whether the 3x3 branches are depthwise and then pointwise.
        dropout: probability with which a value of the result is dropped in training.
    """

    def __init__(
        self,
        channels: int,
        *,
        dilations: tuple[int, ...] = (6, 12, 18),
        reduction: int = 1,
        separable: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        width = hidden_width(channels, reduction)
        self.point = ConvBN(channels, width, activation=nn.ReLU())
        self.dilated = nn.ModuleList(
            _separable(channels, width, dilation)
            if separable
            else ConvBN(channels, width, 3, dilation=dilation, activation=nn.ReLU())
            for dilation in dilations
        )
        self.pooled = ConvBN(channels, width, activation=nn.ReLU())
        self.project = ConvBN((len(dilations) + 2) * width, channels, activation=nn.ReLU())
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        branches = [self.point(x), *(branch(x) for branch in self.dilated)]
        pooled = self.pooled(x.mean((2, 3), keepdim=True))
        branches.append(pooled.expand(-1, -1, *x.shape[2:]))
        return self.dropout(self.project(torch.cat(branches, dim=1)))


def _separable(channels: int, width: int, dilation: int) -> nn.Sequential:
    return nn.Sequential(
        conv2d(channels, channels, 3, dilation=dilation, groups=channels),
        conv2d(channels, width),
        BatchNorm2d(width),
        nn.ReLU(),
    )
