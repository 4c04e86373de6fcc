"""Object-contextual representations (OCR)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import ConvBN, conv2d, hidden_width
from plugnas.modules._registry import register


@register(
    "ocr",
    slot="context",
    family="context",
    name="Object-contextual representations",
    year=2019,
    paper="arXiv:1909.11065",
    choices={"regions": (8, 16, 32), "reduction": (2, 4, 8)},
    aliases=(
        "OCRNet",
        "SpatialGather_Module",
        "SpatialOCR_Module",
        "ObjectContextualRepresentations",
    ),
    origin="github.com/HRNet/HRNet-Semantic-Segmentation, MIT",
)
class OCR(nn.Module):
    """Averages the map over soft regions and lets every position attend to these averages.

    p = ``region_logits(x)``: 1x1 convolution with batch norm and ReLU, then 1x1 to K ``regions``.
    o_k = sum over the positions of softmax(p_k) x, the description of region k. With d = C //
    reduction: queries two layers of x, keys two layers of o, values one layer of o, all to d;
    a = softmax over the regions of q . k / sqrt(d); context = layer to C of sum_k a_k v_k;
    y = layer of concat(context, x), 2 C -> C, then dropout. A layer is a 1x1 convolution without
    bias, batch norm and ReLU. (B, C, H, W) -> the same.

    Departs from the paper: there the regions are the classes, trained by an auxiliary loss; here K
    is a setting, and a training may fit the first K' <= K regions to K' classes by such a loss on
    ``region_logits`` (the task ``segmentation`` does). Its last map has no bias, as the softmax
    over positions cancels it.

    Args:
        channels: C, channels of the map.
        regions: K, soft regions.
        reduction: d = C // reduction, at least 1.
        dropout: probability with which a channel of the result is dropped in training.
    """

    auxiliary = "region_logits"  # the submodule whose output can be trained to predict the classes

    def __init__(
        self, channels: int, *, regions: int = 16, reduction: int = 2, dropout: float = 0.0
    ) -> None:
        super().__init__()
        width = hidden_width(channels, reduction)
        self.region_logits = nn.Sequential(_layer(channels, channels), conv2d(channels, regions))
        self.query = nn.Sequential(_layer(channels, width), _layer(width, width))
        self.key = nn.Sequential(_layer(channels, width), _layer(width, width))
        self.value = _layer(channels, width)
        self.context = _layer(width, channels)
        self.project = _layer(2 * channels, channels)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: Tensor) -> Tensor:
        shares = self.region_logits(x).flatten(2).softmax(2)  # (B, K, N)
        regions = (x.flatten(2) @ shares.transpose(1, 2)).unsqueeze(3)  # (B, C, K, 1)
        q, k, v = (
            t.flatten(2).transpose(1, 2).unsqueeze(1)  # (B, 1, N or K, d)
            for t in (self.query(x), self.key(regions), self.value(regions))
        )
        attended = F.scaled_dot_product_attention(q, k, v).squeeze(1).transpose(1, 2)
        context = self.context(attended.unflatten(2, x.shape[2:]))
        return self.dropout(self.project(torch.cat([context, x], dim=1)))


def _layer(in_channels: int, out_channels: int) -> ConvBN:
    return ConvBN(in_channels, out_channels, activation=nn.ReLU())
