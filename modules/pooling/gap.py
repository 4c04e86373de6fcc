"""Global pooling to one value per channel: the mean, and the generalised mean."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._registry import register


@register(
    "gap",
    slot="pooling",
    family="global",
    name="Global average pooling",
    year=2013,
    paper="arXiv:1312.4400",
    aliases=(
        "GlobalAveragePooling",
        "AdaptiveAvgPool2d",
    ),
    origin="github.com/mavenlin/cuda-convnet, NOASSERTION",
)
class GlobalAveragePooling(nn.Module):
    """Averages each channel over the whole map.

    (B, C, H, W) -> (B, C).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.out_features = channels

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


@register(
    "gem",
    slot="pooling",
    family="global",
    name="Generalised mean pooling",
    year=2017,
    paper="arXiv:1711.02512",
    aliases=("GeneralizedMeanPooling",),
    origin="github.com/filipradenovic/cnnimageretrieval-pytorch, MIT",
)
class GeneralisedMeanPooling(nn.Module):
    """Pools each channel by a power mean whose exponent is learned.

    y = (mean over H, W of max(x, eps)^p)^(1/p), with one p for all channels that starts at 3:
    p = 1 is the mean of the positive part, p towards infinity the maximum.
    (B, C, H, W) -> (B, C). Powers are taken in at least single precision.
    """

    def __init__(self, channels: int, *, p: float = 3.0, eps: float = 1e-6) -> None:
        super().__init__()
        self.out_features = channels
        self.eps = eps
        self.p = nn.Parameter(torch.full((), float(p)))

    def forward(self, x: Tensor) -> Tensor:
        precise = torch.promote_types(x.dtype, torch.float32)
        p = self.p.to(precise)
        y = x.to(precise).clamp(min=self.eps).pow(p).mean((2, 3)).pow(1 / p)
        return y.to(x.dtype)
