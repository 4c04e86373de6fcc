"""Coordinate attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._parts import ConvBN, hidden_width
from plugnas.modules._registry import register
from plugnas.modules._same import bottleneck


@register(
    "coord_attention",
    slot="attention",
    family="channel_spatial",
    name="Coordinate attention",
    year=2021,
    paper="arXiv:2103.02907",
    origin="github.com/houqb/CoordAttention, MIT",
    choices={"reduction": (8, 16, 32)},
    same={"reduction": bottleneck(minimum=8)},
    aliases=(
        "CoordAtt",
        "CA",
        "CoordinateAttention",
    ),
)
class CoordinateAttention(nn.Module):
    """Gates each pixel by a gate of its row and one of its column, from directional means.

    p_h = mean of x over W (length H), p_w = mean over H (length W); f = hardswish(BN(conv1x1(
    [p_h, p_w]))) with m = max(8, C // reduction) channels; a_h and a_w are sigmoids of one 1x1
    convolution each, of f's two parts; y(i, j) = x(i, j) a_h(i) a_w(j).
    (B, C, H, W) -> the same.

    Departs from circulating code (xmu-xiaoma666/External-Attention-pytorch,
    model/attention/CoordAttention.py): one width in and out, since the gates multiply the input;
    the convolution before the norm has no bias, which the norm would cancel.
    """

    def __init__(self, channels: int, *, reduction: int = 32) -> None:
        super().__init__()
        hidden = hidden_width(channels, reduction, minimum=8)
        self.encode = ConvBN(channels, hidden, 1, activation=nn.Hardswish())
        self.row_gate = nn.Conv2d(hidden, channels, 1)
        self.column_gate = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        rows = x.mean(3, keepdim=True)  # (B, C, H, 1)
        columns = x.mean(2, keepdim=True).transpose(2, 3)  # (B, C, W, 1)
        encoded = self.encode(torch.cat([rows, columns], dim=2))
        rows, columns = encoded.split([height, width], dim=2)
        gate_rows = self.row_gate(rows).sigmoid()
        gate_columns = self.column_gate(columns.transpose(2, 3)).sigmoid()
        return x * gate_rows * gate_columns
