"""Squeeze-enhanced axial attention of SeaFormer."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import BatchNorm2d, ConvBN, conv2d
from plugnas.modules._registry import register


def _from_zero(in_channels: int, out_channels: int) -> nn.Sequential:
    """ReLU, 1x1 convolution and a batch norm whose weight starts at 0."""
    norm = BatchNorm2d(out_channels)
    nn.init.zeros_(norm.weight)
    return nn.Sequential(nn.ReLU(), conv2d(in_channels, out_channels), norm)


class _SqueezedAxis(nn.Module):
    """Attention along one axis, after the mean over the other: (B, ., L) three times -> L."""

    def __init__(self, heads: int, head_channels: int, width: int, table: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_position = nn.Parameter(torch.randn(1, heads * head_channels, table))
        self.key_position = nn.Parameter(torch.randn(1, heads * head_channels, table))
        self.project = _from_zero(width, width)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k = q + self._stretch(self.query_position, q), k + self._stretch(self.key_position, k)
        q, k, v = (t.unflatten(1, (self.heads, -1)).transpose(2, 3) for t in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v)  # (B, heads, L, d)
        return self.project(y.transpose(2, 3).flatten(1, 2).unsqueeze(3)).squeeze(3)

    @staticmethod
    def _stretch(table: Tensor, like: Tensor) -> Tensor:
        return F.interpolate(table, size=like.shape[-1], mode="linear", align_corners=False)


@register(
    "sea",
    slot="attention",
    family="self_attention",
    name="Squeeze-enhanced axial attention",
    year=2023,
    paper="arXiv:2301.13156",
    origin="github.com/fudan-zvg/SeaFormer, Apache-2.0",
    choices={"head_channels": (16, 24, 32), "heads": (4, 8), "expansion": (1, 2)},
    aliases=(
        "SeaFormer",
        "Sea_Attention",
    ),
)
class SqueezeEnhancedAxialAttention(nn.Module):
    """Gates a convolved map by axial attention between squeezed rows and squeezed columns.

    q, k of ``heads * head_channels`` and v of ``expansion`` times that are 1x1 conv-BN of x. Rows:
    the means over W of q, k (plus position) and v, softmax(q k^T / sqrt(d)) v along H; columns the
    same with the means over H. Gate s = h(P(v + P_r(rows) + P_c(columns))), h the hard sigmoid
    min(max(z + 3, 0), 6) / 6, each P a ReLU and 1x1 conv-BN; detail D = 1x1 conv-BN of
    relu(depthwise 3x3 conv-BN of [q, k, v]); y = s D.
    (B, C, H, W) -> the same. Positions are tables of 16 entries, interpolated to the length.

    The depthwise convolution is as wide as q, k and v together, so that every expansion works.

    Args:
        channels: C, channels of the map.
        head_channels: d, channels of q and of k in a head.
        heads: attention heads, any number.
        expansion: channels of v over those of q.
        table: entries of each table of positions.
    """

    def __init__(
        self,
        channels: int,
        *,
        head_channels: int = 16,
        heads: int = 8,
        expansion: int = 2,
        table: int = 16,
    ) -> None:
        super().__init__()
        inner = heads * head_channels
        width = expansion * inner
        self.query = ConvBN(channels, inner, 1)
        self.key = ConvBN(channels, inner, 1)
        self.value = ConvBN(channels, width, 1)
        joint = 2 * inner + width
        self.detail = nn.Sequential(
            ConvBN(joint, joint, 3, groups=joint, activation=nn.ReLU()), ConvBN(joint, channels, 1)
        )
        self.rows = _SqueezedAxis(heads, head_channels, width, table)
        self.columns = _SqueezedAxis(heads, head_channels, width, table)
        self.gate = _from_zero(width, channels)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.query(x), self.key(x), self.value(x)
        detail = self.detail(torch.cat([q, k, v], dim=1))
        rows = self.rows(q.mean(3), k.mean(3), v.mean(3))
        columns = self.columns(q.mean(2), k.mean(2), v.mean(2))
        context = v + rows.unsqueeze(3) + columns.unsqueeze(2)
        return F.hardsigmoid(self.gate(context)) * detail
